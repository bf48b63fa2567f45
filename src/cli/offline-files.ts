/** What to type after an offline restore of files, or of a store with programs of its own. */
import { join } from 'node:path'
import type { Manifest } from '../core/records.ts'
import { shellWord } from '../process/shell.ts'

const TAR = "tar --extract --numeric-owner --same-permissions --acls --xattrs --xattrs-include='*'"

/** To be typed in order, by root where owners are wanted. */
export function nextOfFiles({ artifacts }: Pick<Manifest, 'artifacts'>, into: string): string[] {
  const found = artifacts.find(({ role }) => role === 'tree')
  if (!found) return []
  const [file, tree] = [shellWord(join(into, found.part)), shellWord(join(into, 'tree'))]
  const open =
    found['inner'] === 'gpg' ? `gpg --decrypt ${file} | zstd -d | ${TAR} --directory=${tree}` : `${TAR} --directory=${tree} --file=${file}`
  return [`mkdir ${tree}`, open]
}

/** The program stands in holdfast.yaml, or with whoever built the store. */
export const nextOfCommand = (_: Pick<Manifest, 'artifacts'>, into: string): string[] => [
  `# give it to the restore program of the source: HOLDFAST_TARGET=scratch HOLDFAST_DIR=<a folder> <program> < ${shellWord(join(into, 'data'))}`,
]
