/** Where each object of a repository stands. FORMAT.md is the specification of this layout. */
import { HoldfastError } from '../core/errors.ts'
import { parsePointId, stamp } from '../core/ids.ts'

export const ROOT = 'holdfast/v1/'
/** Folders below the root that are no sources. */
export const RESERVED_NAMES = ['sets', 'index', 'evidence', 'heads'] as const

const NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/
const WIDTH = 12

export function sourcePrefix(source: string): string {
  if (!NAME.test(source) || RESERVED_NAMES.includes(source as 'sets')) {
    throw new HoldfastError(
      'INPUT_INVALID',
      `"${source}" cannot be a source: a name is lower case letters, digits, "-" and "_", and not ${RESERVED_NAMES.join(', ')}`,
      { object: source },
    )
  }
  return `${ROOT}${source}/`
}

/** Everything of one recovery point begins with it. */
export function pointPrefix(source: string, id: string): string {
  const prefix = sourcePrefix(source)
  if (!parsePointId(id))
    throw new HoldfastError('INPUT_INVALID', `"${id}" is not the id of a recovery point, like 20251018_214530_manual`, { object: id })
  return `${prefix}${id}/`
}

export const manifestKey = (source: string, id: string): string => `${pointPrefix(source, id)}manifest.json`
export const reservationKey = (source: string, id: string): string => `${pointPrefix(source, id)}reserved.json`
/** Artifacts lie below it; later tries write to other names there, so that one that was frozen and thaws spoils nothing. */
export const dataPrefix = (source: string, id: string): string => `${pointPrefix(source, id)}data/`
export const proofsPrefix = (source: string, id: string): string => `${pointPrefix(source, id)}proofs/`
export const holdsPrefix = (source: string, id: string): string => `${pointPrefix(source, id)}holds/`
/** Headers that open the artifacts for other recipients than they were stored for. */
export const rotationsPrefix = (source: string, id: string): string => `${pointPrefix(source, id)}keys/`

/** The key of a proof or hold: its time, and a suffix where two have the same. */
export function timedKey(prefix: string, at: string, attempt = 1): string {
  return `${prefix}${stamp(new Date(at))}${attempt > 1 ? `-${attempt}` : ''}.json`
}

export const indexPrefix = `${ROOT}index/`
export const evidencePrefix = (writer: string): string => `${ROOT}evidence/${writerName(writer)}/`
export const headsPrefix = (writer: string): string => `${ROOT}heads/${writerName(writer)}/`
/** Numbers sort as text. */
export const numberedKey = (prefix: string, number: number): string => `${prefix}${String(number).padStart(WIDTH, '0')}.json`

/** The number of such a key, or undefined for anything else that lies there. */
export function numberOf(prefix: string, key: string): number | undefined {
  const found = /^(\d{12})\.json$/.exec(key.slice(prefix.length))
  return found ? Number(found[1]) : undefined
}

export interface PointKey {
  source: string
  id: string
  kind: 'manifest' | 'reservation' | 'data' | 'proof' | 'hold' | 'keys' | 'other'
}

/** Which point a key belongs to and as what; undefined for what is no part of a point. */
export function parseKey(key: string): PointKey | undefined {
  if (!key.startsWith(ROOT)) return undefined
  const [source = '', id = '', folder = '', ...rest] = key.slice(ROOT.length).split('/')
  if (RESERVED_NAMES.includes(source as 'sets') || !NAME.test(source) || !parsePointId(id)) return undefined
  return { source, id, kind: kindOf(folder, rest.length > 0) }
}

const FOLDERS: Readonly<Record<string, PointKey['kind']>> = { data: 'data', proofs: 'proof', holds: 'hold', keys: 'keys' }

function kindOf(folder: string, isFolder: boolean): PointKey['kind'] {
  if (!isFolder) return folder === 'manifest.json' ? 'manifest' : folder === 'reserved.json' ? 'reservation' : 'other'
  return FOLDERS[folder] ?? 'other'
}

function writerName(writer: string): string {
  if (NAME.test(writer)) return writer
  throw new HoldfastError('INPUT_INVALID', `"${writer}" cannot name a writer of evidence: lower case letters, digits, "-" and "_"`, {
    object: writer,
  })
}
