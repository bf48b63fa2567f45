/** What to type after an offline restore of what is no dump. */
import { join } from 'node:path'
import type { Manifest } from '../core/records.ts'
import { shellWord } from '../core/shell.ts'

/** What every driver's page has. */
export const BY_HAND = 'By hand, with Holdfast gone'
const TAR = "tar --extract --numeric-owner --same-permissions --acls --xattrs --xattrs-include='*'"

/** To be typed in order, by root where owners are wanted. */
function nextOfFiles({ artifacts }: Manifest, into: string): string[] {
  const found = artifacts.find(({ role }) => role === 'tree')
  if (!found) return []
  const [file, tree] = [shellWord(join(into, found.part)), shellWord(join(into, 'tree'))]
  const open =
    found['inner'] === 'gpg' ? `gpg --decrypt ${file} | zstd -d | ${TAR} --directory=${tree}` : `${TAR} --directory=${tree} --file=${file}`
  return [`mkdir ${tree}`, open]
}

/** The program stands in holdfast.yaml, or with whoever built the store. */
const nextOfCommand = (_: Manifest, into: string): string[] => [
  `# give it to the restore program of the source: HOLDFAST_TARGET=scratch HOLDFAST_DIR=<a folder> <program> < ${shellWord(join(into, 'data'))}`,
]

const OWN: Readonly<Record<string, (manifest: Manifest, into: string) => string[]>> = { files: nextOfFiles, command: nextOfCommand }

/** In the words of the driver's page where more than one program has a part in it. */
export const nextOfOthers = (manifest: Manifest, into: string): string[] =>
  OWN[manifest.driver]?.(manifest, into) ?? [
    `# the parts are in ${shellWord(into)}, opened and decompressed; what takes them: src/drivers/${manifest.driver}/README.md, "${BY_HAND}"`,
  ]
