/**
 * What the driver asks of a program that keeps physical backups and WAL. pgBackRest is the first; WAL-G and Barman can
 * follow by giving these promises. An engine changes nothing on its own: it never expires by itself.
 */
import type { Archive } from '../../core/wal.ts'
import type { Progress } from '../driver.ts'

export type BackupType = 'full' | 'incremental' | 'differential'

/** A backup that is whole in the engine's repository. */
export interface EngineBackup {
  label: string
  type: BackupType
  /** The recovery point that it was taken for, where Holdfast took it. */
  pointId?: string
  /** Its point was given up while the engine could not remove it: it goes as soon as it may. */
  givenUp?: boolean
  systemId: string
  timeline: number
  walStart: string
  walStop: string
  lsnStart: string
  lsnStop: string
  /** ISO, in whole seconds. */
  startedAt: string
  stoppedAt: string
  /** Labels that it needs, oldest first. */
  needs: string[]
  /** Bytes of the cluster, bytes of it in the repository, and what this backup added there. */
  sizeBytes: number
  repositoryBytes: number
  addedBytes: number
  /** True where pages failed their checksum while they were copied. */
  pageErrors: boolean
}

export interface EngineInfo {
  /** False where the stanza (or its like) was never made. */
  exists: boolean
  systemId?: string
  postgresVersion?: string
  encrypted: boolean
  /** A backup or an expiry runs at this moment. */
  busy: boolean
  /** Oldest first. */
  backups: EngineBackup[]
}

export interface BackupOptions {
  /** Written into the backup, so that a retry finds it again. */
  pointId: string
  signal: AbortSignal
  onProgress(progress: Progress): void
}

export interface EngineRestore {
  label: string
  /** Absent or empty; owned by the user that the engine runs as. */
  dataDir: string
  /** For the engine's own files during this restore: nothing of the live system's locks is touched. */
  workDir: string
  signal: AbortSignal
  onProgress(progress: Progress): void
}

/** Where the repository is, without secrets: enough for another host, with the keys, to read it. */
export type EngineRepository = Readonly<Record<string, string>>

export interface Verdict {
  ok: boolean
  problems: string[]
}

export interface PhysicalEngine {
  readonly kind: 'pgbackrest'
  readonly stanza: string
  version(): Promise<string>
  info(): Promise<EngineInfo>
  /**
   * Takes a backup of the type; what it was is in the result. When it rejects, no backup mode and no lock is left
   * (killed from outside as well), and what is half-written is no backup. BUSY while another runs.
   */
  backup(type: BackupType, options: BackupOptions): Promise<EngineBackup>
  /** Fills `dataDir` with the files of the backup. Writes no recovery settings of its own. */
  restore(options: EngineRestore): Promise<void>
  /** A `restore_command` for an instance that was restored into `dataDir`; holds no secret. */
  restoreCommand(options: { dataDir: string; workDir: string }): string
  /** Reads the whole repository again and compares its checksums; damage to backups other than `labels` is not told. */
  verify(options: { signal: AbortSignal; labels?: readonly string[] }): Promise<Verdict>
  /** Removes this one backup. Throws POINT_PROTECTED where another needs it, or it is the last full one. Absent is no error. */
  expire(label: string): Promise<void>
  /** Labels of the backups that need this one. */
  dependentsOf(label: string): Promise<string[]>
  /** Marks the backup as `givenUp`. */
  giveUp(label: string): Promise<void>
  /** Removes the WAL before the oldest of the newest `keepFulls` full backups; what older backups need for themselves stays. */
  expireWal(keepFulls: number): Promise<void>
  /** Pushes a segment through the archive and waits for it there. */
  check(): Promise<void>
  /** Writes the archived segment or history file to `to`, whose folder the engine's user owns; false where the archive has none. */
  archiveGet(wal: string, to: string): Promise<boolean>
  hasWal(wal: string): Promise<boolean>
  /** What is in the archive of this system. */
  archive(): Promise<Archive>
  /** BLAKE3 of the engine's own manifest of this backup, as it is stored. */
  manifestDigest(label: string): Promise<string>
  /** Files of the cluster in this backup, those of the backups it needs included. */
  fileCount(label: string): Promise<number>
  repository(): Promise<EngineRepository>
  /** The symmetric passphrase of the repository, where it is encrypted: for the encrypted artifact, and nowhere else. */
  passphrase(): Promise<string | undefined>
}
