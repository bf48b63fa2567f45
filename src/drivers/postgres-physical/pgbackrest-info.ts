/** What `pgbackrest --output=json info` and `repo-ls` answer, in the engine's words. */
import { parseSegmentName } from '../../core/wal.ts'
import type { BackupType, EngineBackup, EngineInfo } from './engine.ts'
import { reported } from './pgbackrest-errors.ts'

/** The annotation by which a retry finds the backup that an earlier try took. */
export const ANNOTATION = 'holdfast-id'
/** On a backup whose point was given up, and that could not go at once. */
export const GIVEN_UP = 'holdfast-given-up'

interface InfoBackup {
  annotation?: Record<string, string>
  archive: { start: string | null; stop: string | null }
  database: { id: number }
  error?: boolean | null
  info: { size: number; repository: { size?: number; delta?: number } }
  label: string
  lsn?: { start: string; stop: string }
  reference: string[] | null
  timestamp: { start: number; stop: number }
  type: 'full' | 'incr' | 'diff'
}
interface InfoStanza {
  name: string
  backup: InfoBackup[]
  cipher: string
  db: { id: number; 'system-id': number | string; version: string }[]
  status: { code: number; message: string; lock?: { backup?: { held: boolean } } }
  repo: { status: { code: number; message: string } }[]
}

const TYPES = { full: 'full', incr: 'incremental', diff: 'differential' } as const satisfies Record<string, BackupType>
/** pgBackRest's status: the stanza's path is missing, and its data is missing. A stanza without a backup is 2. */
const NO_STANZA = [1, 3]
const OTHER = 99

/** Throws what the repository's own failure means: `info` exits 0 also where it could read nothing. */
export function parseInfo(json: string, stanza: string): EngineInfo {
  // System ids exceed what a JSON number of JavaScript holds.
  const stanzas = JSON.parse(json.replace(/("system-id":)(\d+)/g, '$1"$2"')) as InfoStanza[]
  const found = stanzas.find(({ name }) => name === stanza)
  if (!found || NO_STANZA.includes(found.status.code)) return { exists: false, encrypted: false, busy: false, backups: [] }
  const failed = found.repo.find(({ status }) => status.code === OTHER)
  if (failed) throw reported(failed.status.message, stanza)
  const newest = found.db.at(-1)
  return {
    exists: true,
    encrypted: found.cipher !== 'none',
    busy: found.status.lock?.backup?.held ?? false,
    backups: found.backup.flatMap((backup) => toBackup(backup, found)),
    ...(newest ? { systemId: String(newest['system-id']), postgresVersion: newest.version } : {}),
  }
}

/** A backup taken offline has no WAL and no position: it is none for Holdfast. */
function toBackup(backup: InfoBackup, { db }: InfoStanza): EngineBackup[] {
  const { archive, lsn, info, timestamp } = backup
  const segment = archive.stop ? parseSegmentName(archive.stop) : undefined
  if (!lsn || !archive.start || !archive.stop || !segment) return []
  const pointId = backup.annotation?.[ANNOTATION]
  return [
    {
      label: backup.label,
      type: TYPES[backup.type],
      timeline: segment.timeline,
      systemId: String(db.find(({ id }) => id === backup.database.id)?.['system-id'] ?? ''),
      walStart: archive.start,
      walStop: archive.stop,
      lsnStart: lsn.start,
      lsnStop: lsn.stop,
      startedAt: new Date(timestamp.start * 1000).toISOString(),
      stoppedAt: new Date(timestamp.stop * 1000).toISOString(),
      needs: backup.reference ?? [],
      sizeBytes: info.size,
      repositoryBytes: info.repository.size ?? 0,
      addedBytes: info.repository.delta ?? 0,
      pageErrors: backup.error ?? false,
      ...(pointId === undefined ? {} : { pointId }),
      ...(backup.annotation?.[GIVEN_UP] === undefined ? {} : { givenUp: true }),
    },
  ]
}

export interface ListedFile {
  path: string
  size: number
  storedAt: string
}

/** The files of `repo-ls --recurse --output=json`. */
export function parseListing(json: string): ListedFile[] {
  const entries = JSON.parse(json) as Record<string, { type: string; size?: number; time?: number }>
  return Object.entries(entries).flatMap(([path, { type, size, time }]) =>
    type === 'file' ? [{ path, size: size ?? 0, storedAt: new Date((time ?? 0) * 1000).toISOString() }] : [],
  )
}

/** The whole segment that an archived file holds: `<wal>-<sha1>[.lz4]`; partial, history and backup files are none. */
export function walOf(path: string): string | undefined {
  return /(?:^|\/)([0-9A-F]{24})-[0-9a-f]{40}(?:\.[a-z0-9]+)?$/.exec(path)?.[1]
}
