/** Names of what an archive keeps, and where each stands in a repository. FORMAT.md specifies the layout. */
import { HoldfastError } from '../core/errors.ts'
import { checkKey } from '../storage/keys.ts'

/** Beside the recovery points, not among them: a listing of those never walks over the segments. */
const WAL_ROOT = 'holdfast/wal/v1/'
const RECORD = 'wal.json'
/** The folder of names that no PostgreSQL gives. */
const OTHER = 'other'
const LONGEST = 200

export type WalKind = 'segment' | 'partial' | 'backup' | 'history' | 'other'

export interface WalName {
  name: string
  kind: WalKind
  /** Of PostgreSQL's names. */
  timeline?: number
}

const KINDS: [WalKind, RegExp][] = [
  ['segment', /^[0-9A-F]{24}$/],
  ['partial', /^[0-9A-F]{24}\.partial$/],
  ['backup', /^[0-9A-F]{24}\.[0-9A-F]{8}\.backup$/],
  ['history', /^[0-9A-F]{8}\.history$/],
]

/** Any single segment of a path is a name; engines other than PostgreSQL have their own. Throws INPUT_INVALID. */
export function parseWalName(name: string): WalName {
  if (name === '' || name.length > LONGEST || name.includes('/') || !isKey(name)) {
    throw new HoldfastError('INPUT_INVALID', `${JSON.stringify(name)} cannot be the name of an archived file`, {
      object: name,
      next: `give 1 to ${LONGEST} printable ASCII characters without "/" and "\\", the first of them not "."`,
    })
  }
  const [kind] = KINDS.find(([, form]) => form.test(name)) ?? ['other' as const]
  return kind === 'other' ? { name, kind } : { name, kind, timeline: Number.parseInt(name.slice(0, 8), 16) }
}

function isKey(name: string): boolean {
  try {
    checkKey(name)
    return true
  } catch {
    return false
  }
}

export const archivePrefix = (archive: string): string => `${WAL_ROOT}${archive}/`

/** Everything of one name begins with it: the record that says what is archived, and the object that it names. */
export function placeOf(archive: string, { name, timeline }: WalName): string {
  return `${archivePrefix(archive)}${timeline === undefined ? OTHER : name.slice(0, 8)}/${name}/`
}

export const recordKeyOf = (archive: string, name: WalName): string => `${placeOf(archive, name)}${RECORD}`

/** The name that a key belongs to, and whether it is its record; undefined for what is no part of the archive. */
export function parseWalKey(archive: string, key: string): { name: string; isRecord: boolean } | undefined {
  const [, name, file] = /^[^/]+\/([^/]+)\/([^/]+)$/.exec(key.slice(archivePrefix(archive).length)) ?? []
  return name === undefined ? undefined : { name, isRecord: file === RECORD }
}
