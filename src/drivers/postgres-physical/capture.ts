/** Taking a physical recovery point: the engine's backup, then a mark in the WAL that a restore can be held to. */
import type { Artifact, Reference } from '../../core/records.ts'
import { until } from '../../process/wait.ts'
import type { ArtifactSink, Captured, CaptureRequest, DriverContext } from '../driver.ts'
import { parseConnection, withClient } from '../postgres-common/connect.ts'
import { type Mark, markBehindBarrier, markWithoutBarrier } from './barrier.ts'
import type { BackupType, EngineBackup, PhysicalEngine } from './engine.ts'
import { removeGivenUp, typeToTake } from './given-up.ts'
import { segmentsToMark, storeOwnWal } from './own-wal.ts'
import { switchAndAwait } from './switch-wal.ts'

export interface Capturing {
  engine: PhysicalEngine
  connection: string
  barrier: boolean
  segmentBytes: number
  binDir: string
  scratchDir?: string | undefined
  osUser?: string | undefined
}

/** How long a retry waits for the pgBackRest of an earlier try, which may still be ending. */
const EARLIER_TRY_MS = 600_000

export async function capturePhysical(
  on: Capturing,
  context: DriverContext,
  request: CaptureRequest,
  sink: ArtifactSink,
): Promise<Captured> {
  const { engine } = on
  const warnings: string[] = []
  await settleTimeline(on.connection)
  const { backup, again } = await takeOnce(on, context, request, warnings)
  // Now that there is a full backup, an older one that was the last may go.
  warnings.push(...(await removeGivenUp(engine)))
  context.onProgress({ phase: 'mark' })
  const nextXid = await firstFreeXid(on.connection)
  const mark = await setMark(on, context, request.id, again)
  warnings.push(...mark.warnings)
  await switchAndAwait(engine, on.connection, context)
  context.onProgress({ phase: 'describe' })
  const secret = await storePassphrase(engine, sink)
  const toMark = mark.restorePoint ? segmentsToMark(backup.walStop, mark.lsn, on.segmentBytes) : []
  const ownWal = await storeOwnWal(on, toMark, request, sink)
  if (backup.pageErrors)
    warnings.push(
      `pages of the cluster failed their checksum while ${backup.label} was copied: pgbackrest info --set=${backup.label} names them`,
    )
  return {
    artifacts: [...secret, ...ownWal],
    warnings,
    reference: await referenceTo(on, backup),
    consistency: {
      time: mark.time,
      lsn: mark.lsn,
      timeline: backup.timeline,
      systemId: backup.systemId,
      nextXid,
      ...(mark.restorePoint ? { restorePoint: mark.restorePoint } : {}),
    },
    sizeBytes: backup.sizeBytes,
    storedBytes: ownWal.reduce((sum, { storedBytes }) => sum + storedBytes, backup.addedBytes),
    fileCount: await engine.fileCount(backup.label),
    ...(mark.content ? { content: mark.content } : {}),
  }
}

/** Right after a promotion the control file still names the old timeline, and an engine that reads it refuses: a checkpoint brings it up to date. */
async function settleTimeline(connection: string): Promise<void> {
  await withClient(connection, {}, async (client) => {
    const { rows } = await client.query<{ behind: boolean }>(
      "select not pg_is_in_recovery() and timeline_id <> ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int as behind from pg_control_checkpoint()",
    )
    if (rows[0]?.behind) await client.query('checkpoint')
  })
}

/** The backup of this recovery point: found again by its annotation where an earlier try took it. */
async function takeOnce(
  { engine }: Capturing,
  context: DriverContext,
  request: CaptureRequest,
  warnings: string[],
): Promise<{ backup: EngineBackup; again: boolean }> {
  if (request.attempt > 1) {
    await until(
      async () => {
        context.onProgress({ phase: 'wait for an earlier try' })
        return !(await engine.info()).busy
      },
      { timeoutMs: EARLIER_TRY_MS, everyMs: 500, what: `the backup of stanza ${engine.stanza} that is running`, signal: context.signal },
    )
  }
  const { backups } = await engine.info()
  const wanted = typeFor(request.kind)
  const found = backups.find((backup) => backup.pointId === request.id && !backup.givenUp)
  const { type, warning } = found ? { type: found.type } : typeToTake(backups, wanted, request.known)
  const taken =
    found ??
    (await engine.backup(type, { pointId: request.id, signal: context.signal, onProgress: (progress) => context.onProgress(progress) }))
  if (warning) warnings.push(warning)
  else if (taken.type !== wanted)
    warnings.push(`${wanted} was asked for and ${taken.type} was taken: there was no full backup that it could build on`)
  return { backup: taken, again: request.attempt > 1 || found !== undefined }
}

function typeFor(kind: CaptureRequest['kind']): BackupType {
  return kind === 'incremental' || kind === 'differential' ? kind : 'full'
}

/** Where an earlier try may have written it, the name is a new one: replay stops at the first of a name. */
async function setMark(on: Capturing, { signal, onProgress }: DriverContext, id: string, again: boolean): Promise<Mark> {
  const options = {
    name: again ? `holdfast_${id}_${Date.now().toString(36)}` : `holdfast_${id}`,
    signal,
    binDir: on.binDir,
    onProgress: () => onProgress({ phase: 'contents' }),
  }
  if (!on.barrier) return markWithoutBarrier(on.connection, options)
  const behind = await markBehindBarrier(on.connection, options)
  if (!('refused' in behind)) return behind
  const mark = await markWithoutBarrier(on.connection, options)
  return { ...mark, warnings: [...mark.warnings, `the barrier was not had, so a proof cannot compare contents: ${behind.refused}`] }
}

/** Numbers from here on were given after the backup ended. */
async function firstFreeXid(connection: string): Promise<string> {
  return withClient(connection, {}, async (client) => {
    const { rows } = await client.query<{ xid: string }>('select pg_snapshot_xmax(pg_current_snapshot())::text as xid')
    return (rows[0] as { xid: string }).xid
  })
}

/** What opens the engine's repository, where it is encrypted: a host that has lost everything else has it from the point. */
export async function storePassphrase(engine: PhysicalEngine, sink: ArtifactSink): Promise<Artifact[]> {
  const passphrase = await engine.passphrase()
  if (passphrase === undefined) return []
  return [await sink.storeBytes({ part: 'passphrase', role: 'passphrase', required: true, bytes: Buffer.from(passphrase) })]
}

export async function referenceTo({ engine, connection, segmentBytes }: Capturing, backup: EngineBackup): Promise<Reference> {
  const repository = await engine.repository()
  const { user, dbname } = parseConnection(connection)
  return {
    engine: engine.kind,
    stanza: engine.stanza,
    repoPath: repository['repo1-path'] ?? '',
    label: backup.label,
    type: backup.type,
    walStart: backup.walStart,
    walStop: backup.walStop,
    needs: backup.needs,
    manifestDigest: await engine.manifestDigest(backup.label),
    // Beyond what the format asks: enough to restore on a host that knows nothing of the source.
    lsnStop: backup.lsnStop,
    stoppedAt: backup.stoppedAt,
    segmentBytes,
    repository,
    role: user ?? 'postgres',
    database: dbname ?? user ?? 'postgres',
  }
}
