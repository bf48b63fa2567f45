/**
 * Names of files as they are: bytes, whatever alphabet they were written in. Inside the driver each byte is one character
 * of a string, which loses nothing and sorts like the bytes; people and patterns see UTF-8.
 */

/** A path below the root, `.` for the root itself, one character for each byte. */
export type BytePath = string

export const toBytes = (path: BytePath): Buffer => Buffer.from(path, 'latin1')
export const fromBytes = (bytes: Buffer): BytePath => bytes.toString('latin1')
export const fromText = (text: string): BytePath => Buffer.from(text, 'utf8').toString('latin1')

const PLAIN = /^[\x20-\x7e]*$/

/** As UTF-8; what is none is shown by the replacement character. */
export const asText = (path: BytePath): string => (PLAIN.test(path) ? path : toBytes(path).toString('utf8'))

/** For messages: on one line, control characters escaped. */
export function shown(path: BytePath): string {
  const text = asText(path)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return /[\x00-\x1f\x7f]/.test(text) ? JSON.stringify(text) : text
}

/** The absolute path of something below the root, for Node's calls. */
export const below = (root: string, path: BytePath): Buffer =>
  path === '.' ? Buffer.from(root) : Buffer.concat([Buffer.from(`${root}/`), toBytes(path)])

/** The same where Node's types know text only, and its calls take bytes as well. */
export const pathBelow = (root: string, path: BytePath): string => below(root, path) as unknown as string

export const join = (folder: BytePath, name: BytePath): BytePath => (folder === '.' ? name : `${folder}/${name}`)
export const parentOf = (path: BytePath): BytePath => {
  const end = path.lastIndexOf('/')
  return end < 0 ? '.' : path.slice(0, end)
}

/** The folders above, the nearest last, without the root. */
export function ancestorsOf(path: BytePath): BytePath[] {
  const words = path.split('/')
  return words.slice(1).map((_, index) => words.slice(0, index + 1).join('/'))
}

/** The order of a walk: a folder before what it holds, the names of a folder by their bytes. Negative where `a` comes first. */
export function compareInWalk(a: BytePath, b: BytePath): number {
  if (a === b) return 0
  if (a === '.' || b === '.') return a === '.' ? -1 : 1
  const [one, other] = [a.replaceAll('/', '\0'), b.replaceAll('/', '\0')]
  return one < other ? -1 : 1
}

/** So many are named where there are many. */
const NAMED = 20

export function listed(paths: readonly BytePath[], count = paths.length): string {
  const names = paths.slice(0, NAMED).map(shown).join(', ')
  return count > NAMED ? `${names} and ${count - NAMED} more` : names
}
