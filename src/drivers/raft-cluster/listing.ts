/** A folder by its files: names, sizes and SHA-256, by the tools that every host has. */
import { createHash } from 'node:crypto'
import { HoldfastError } from '../../core/errors.ts'
import { shellWord } from '../../core/shell.ts'

export interface Listed {
  /** Below the folder, without `./`. */
  name: string
  bytes: number
  sha256: string
}

/** Prints sizes, an empty line, sums; for readListing. Follows no links. */
export function listingScript(folder: string, only = '.'): string {
  const find = `find ${shellWord(only)} -type f -printf`
  return `cd ${shellWord(folder)}; ${find} '%s %p\\n'; echo; ${find} '%p\\0' | xargs -0 -r sha256sum --`
}

export function readListing(text: string): Listed[] {
  const [sizes = '', sums = ''] = text.startsWith('\n') ? ['', text.slice(1)] : text.split('\n\n')
  const plain = (name: string) => name.replace(/^\.\//, '')
  const bytes = new Map(lines(sizes).map((line) => [plain(line.slice(line.indexOf(' ') + 1)), Number(line.slice(0, line.indexOf(' ')))]))
  const found = lines(sums).map((line) => ({
    sha256: line.slice(0, 64),
    name: plain(line.slice(66)),
    bytes: bytes.get(plain(line.slice(66))) ?? -1,
  }))
  const odd = found.find(({ sha256, bytes: size }) => !/^[0-9a-f]{64}$/.test(sha256) || size < 0)
  if (odd || found.length !== bytes.size)
    throw new HoldfastError(
      'SOURCE_UNFIT',
      `a file came, went or has a line break in its name while a folder was listed: ${odd?.name ?? 'unknown'}`,
      {
        object: odd?.name ?? '',
        next: 'start it again',
        retryable: true,
      },
    )
  return found.sort((a, b) => (a.name < b.name ? -1 : 1))
}

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '')

/** SHA-256 of what `sha256sum` prints of the files in their order. */
export function digestOf(files: readonly Listed[]): string {
  const hash = createHash('sha256')
  for (const { name, sha256 } of files) hash.update(`${sha256}  ${name}\n`)
  return hash.digest('hex')
}

export const bytesOf = (files: readonly Listed[]): number => files.reduce((sum, { bytes }) => sum + bytes, 0)

/** In words, the first of them; empty where both are the same. */
export function differences(expected: readonly Listed[], found: readonly Listed[]): string[] {
  const there = new Map(found.map((file) => [file.name, file]))
  const wrong = expected.flatMap(({ name, bytes, sha256 }) => {
    const file = there.get(name)
    there.delete(name)
    if (!file) return [`${name} is missing`]
    if (file.bytes !== bytes) return [`${name} has ${file.bytes} bytes instead of ${bytes}`]
    return file.sha256 === sha256 ? [] : [`${name} has SHA-256 ${file.sha256} instead of ${sha256}`]
  })
  return [...wrong, ...[...there.keys()].map((name) => `${name} is not of the point`)].slice(0, MOST)
}
const MOST = 20
