/** A backup's files and its WAL, replayed in a quarantined copy to one moment and no further. */
import { copyFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest, Reference } from '../../core/records.ts'
import { choosePitrBase, describeTarget, goalOf } from '../../core/planning.ts'
import { type Archive, newestSegment, parseLsn, segmentBefore, segmentName, timelineAt } from '../../core/wal.ts'
import { shellWord } from '../../core/shell.ts'
import { until } from '../../process/wait.ts'
import type { ArtifactSource, DriverContext, RestoreChoice, Restored, RestoreTarget } from '../driver.ts'
import { formatConnection, withClient } from '../postgres-common/connect.ts'
import { destroyInstance, makeFolder, makeScratchFolder, startInstance, stopInstance } from '../postgres-common/instance.ts'
import { baseOf } from './bases.ts'
import { readControlData, settingsToFollow } from './controldata.ts'
import type { PhysicalEngine } from './engine.ts'
import { hasOwnWal, layOutOwnWal } from './own-wal.ts'
import { COPY_SETTINGS, recoverySettings, type Stop, writeSettings } from './quarantine.ts'
import { awaitStop, followLog, replayFailure, type StoppedAt } from './replay.ts'
import { requireSpace } from './space.ts'

export interface Restoring {
  /** Given a folder for files of its own, which goes with the copy. */
  engine(workDir: string): Promise<PhysicalEngine>
  /** Reads what the point itself holds. */
  artifacts: ArtifactSource
  binDir: string
  osUser?: string | undefined
  role: string
  database: string
}

export interface RestoreOptions {
  dir: string
  to?: RestoreTarget | undefined
  /** Ends recovery once the stop is proved, so that the copy can be written and dumped. Without it the copy stays paused, read-only. */
  promote?: boolean | undefined
  choice?: RestoreChoice | undefined
}

/** What a copy was filled with, and how far. */
export interface Filled {
  restored: Restored
  engine: PhysicalEngine
  stop: Stop
  timeline: number
  ownWal: string | undefined
}

const START_MS = 24 * 3600 * 1000
/** A source may have raised its limits more than once between the backup and the target. */
const RAISES = 5
/** In the copy's folder: postgresql.auto.conf as the engine restored it. */
export const RESTORED_SETTINGS = join('engine', 'postgresql.auto.conf')
/** What was recorded of the stop, for a proof that begins after the copy was promoted or started again. */
export const STOP_FILE = 'holdfast-stop.json'

export async function restorePhysical(
  on: Restoring,
  context: DriverContext,
  manifest: Manifest,
  options: RestoreOptions,
): Promise<Restored> {
  return (await fillCopy(on, context, manifest, { ...options, to: options.to ?? chosen(options.choice) })).restored
}

/** A moment that a restore names, as a target. */
export function chosen(choice: RestoreChoice | undefined): RestoreTarget | undefined {
  if (choice?.to === undefined) return undefined
  return choice.to === LATEST ? { latest: true } : { time: choice.to }
}
/** As a moment of a restore: the end of the archive. */
export const LATEST = 'latest'

/** The same, with what it takes to go on from there. */
export async function fillCopy(on: Restoring, context: DriverContext, manifest: Manifest, options: RestoreOptions): Promise<Filled> {
  const { dir, to } = options
  if (to) goalOf(to)
  await requireSpace(dir, manifest.sizeBytes)
  await destroyInstance(dir)
  await makeScratchFolder(dir, on.osUser)
  try {
    return await fill(on, context, manifest, options)
  } catch (error) {
    // Whoever asked removes it again; until then no copy runs that nobody knows of.
    await destroyInstance(dir).catch(() => {})
    throw error
  }
}

async function fill(
  on: Restoring,
  context: DriverContext,
  manifest: Manifest,
  { dir, to, promote: ends }: RestoreOptions,
): Promise<Filled> {
  const reference = referenceOf(manifest)
  const place = { dataDir: join(dir, 'data'), socketDir: join(dir, 'socket'), workDir: join(dir, 'engine') }
  for (const folder of [place.workDir, join(place.workDir, 'tablespaces')]) await makeFolder(folder, on.osUser)
  const engine = await on.engine(place.workDir)
  await requireSameSet(engine, reference)
  const { stop, timeline, archive, own } = await planStop(engine, manifest, to)
  const ownWal = own ? join(place.workDir, 'wal') : undefined
  if (ownWal) await layOutOwnWal(manifest, on.artifacts, ownWal, on.osUser)
  await engine.restore({ label: reference.label, ...place, signal: context.signal, onProgress: context.onProgress })
  await copyFile(join(place.dataDir, 'postgresql.auto.conf'), join(dir, RESTORED_SETTINGS))
  const connection = formatConnection({ host: place.socketDir, port: '5432', user: on.role, dbname: on.database, sslmode: 'disable' })
  const stopped = await replay(on, engine, context, { ...place, connection, stop, timeline, ownWal })
  requireReached(stopped, to, archive, timeline)
  const stoppedAt = { ...stopped, timeline: timelineAt(stopped.lsn, timeline, archive.histories) }
  await writeFile(join(dir, STOP_FILE), JSON.stringify(stoppedAt))
  if (ends && stopped.paused) await promote(connection, context.signal)
  const target = { kind: to ? ('beside' as const) : ('scratch' as const), dir, connection, database: on.database }
  return { restored: { target, stoppedAt, bytes: manifest.sizeBytes }, engine, stop, timeline, ownWal }
}

export function referenceOf(manifest: Manifest): Reference {
  if (manifest.reference) return manifest.reference
  throw new HoldfastError('INTEGRITY', `the manifest of ${manifest.id} names no physical backup`, { object: manifest.id })
}

interface Plan {
  stop: Stop
  timeline: number
  archive: Archive
  /** The archive has expired around it: the point's own WAL leads to its mark. */
  own?: boolean
}

/** Without a target: the mark that was set when the point was taken; where its WAL is nowhere any more, the end of the backup. */
export async function planStop(engine: PhysicalEngine, manifest: Manifest, to: RestoreTarget | undefined): Promise<Plan> {
  const archive = await engine.archive()
  const base = baseOf(manifest)
  const { systemId } = manifest.consistency
  if (to) {
    const choice = choosePitrBase([base], to, archive, systemId === undefined ? {} : { systemId })
    return { stop: to, timeline: choice.timeline, archive }
  }
  const { restorePoint, lsn } = manifest.consistency
  if (restorePoint && lsn) {
    const marked = segmentName(
      { timeline: base.timeline, number: segmentBefore(parseLsn(lsn), archive.segmentBytes) },
      archive.segmentBytes,
    )
    const own = !archive.segments.some(({ wal }) => wal === marked)
    if (!own || hasOwnWal(manifest)) return { stop: { name: restorePoint }, timeline: base.timeline, archive, own }
  }
  return { stop: { immediate: true }, timeline: base.timeline, archive }
}

/** The manifest says which backup it meant, to the byte of the engine's own manifest. */
async function requireSameSet(engine: PhysicalEngine, { label, manifestDigest }: Reference): Promise<void> {
  const found = await engine.manifestDigest(label)
  if (found === manifestDigest) return
  throw new HoldfastError('INTEGRITY', `the engine's manifest of ${label} is not the one that was recorded`, {
    object: label,
    details: { expected: manifestDigest, found },
  })
}

interface Replaying {
  dataDir: string
  socketDir: string
  workDir: string
  connection: string
  stop: Stop
  timeline: number
  /** Folder of segments that the archive may not have any more. */
  ownWal: string | undefined
}

async function replay(on: Restoring, engine: PhysicalEngine, context: DriverContext, place: Replaying): Promise<StoppedAt> {
  const { dataDir, socketDir, connection, stop } = place
  const logFile = `${dataDir}.log`
  let follow = settingsToFollow(await readControlData({ dataDir, binDir: on.binDir, osUser: on.osUser }))
  for (let start = 0; start <= RAISES; start++) {
    await writeSettings(
      dataDir,
      { ...COPY_SETTINGS, ...follow, restore_command: restoreCommand(engine, place), ...recoverySettings(stop, place.timeline) },
      on.osUser,
    )
    const log = followLog(logFile, start === 0 ? 0 : await sizeOf(logFile))
    const instance = { dataDir, socketDir, binDir: on.binDir, osUser: on.osUser, logFile, timeoutMs: START_MS, signal: context.signal }
    const outcome = await startInstance(instance).then(
      () =>
        awaitStop({
          dataDir,
          connection,
          log,
          toTheEnd: 'latest' in stop && stop.latest === true,
          signal: context.signal,
          onProgress: context.onProgress,
        }),
      async (error: unknown) => {
        const said = await log()
        if (Object.keys(said.raised).length > 0) return { raised: said.raised }
        if (error instanceof HoldfastError && error.code === 'PROCESS_FAILED') throw replayFailure(said, dataDir, error)
        throw error
      },
    )
    if (!('raised' in outcome)) return outcome
    follow = { ...follow, ...outcome.raised }
    await stopInstance({ dataDir })
  }
  throw new HoldfastError('SOURCE_UNFIT', `the source raised its limits more than ${RAISES} times before the target`, {
    object: dataDir,
    details: follow,
    next: 'begin with a later recovery point',
  })
}

function restoreCommand(engine: PhysicalEngine, place: Replaying): string {
  const fromArchive = engine.restoreCommand(place)
  return place.ownWal === undefined ? fromArchive : `${fromArchive} || cp ${shellWord(place.ownWal).replaceAll('%', '%%')}/%f "%p"`
}

async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => ({ size: 0 }))).size
}

/** That it stopped is not enough: where it stopped is compared with what was asked. */
function requireReached(stopped: StoppedAt, to: RestoreTarget | undefined, archive: Archive, timeline: number): void {
  if (!to) return
  const past =
    (to.time !== undefined && stopped.time !== undefined && Date.parse(stopped.time) > Date.parse(to.time)) ||
    (to.lsn !== undefined && parseLsn(stopped.lsn) > parseLsn(to.lsn)) ||
    (to.xid !== undefined && stopped.paused && stopped.xid !== undefined && stopped.xid !== String(BigInt(to.xid) & 0xffff_ffffn))
  if (past) {
    throw new HoldfastError(
      'TARGET_NOT_REACHED',
      `replay went past ${describeTarget(to)}: it stopped ${stopped.reason}, at ${stopped.lsn}`,
      { object: describeTarget(to), details: { stopped } },
    )
  }
  if (!to.latest) return
  // A restore_command that fails for want of a network looks to PostgreSQL like the end of the archive.
  const newest = newestSegment(archive, timeline)
  if (newest && lastReplayed(stopped.reason) < newest) {
    throw new HoldfastError('TARGET_NOT_REACHED', `replay ended ${stopped.reason}, before the end of the archive: ${newest}`, {
      object: newest,
      retryable: true,
      details: { stopped },
    })
  }
}

const lastReplayed = (reason: string) => /[0-9A-F]{24}/.exec(reason)?.[0] ?? ''

/** Ends recovery: paused at its target, a copy is promoted by going on. */
export async function promote(connection: string, signal: AbortSignal): Promise<void> {
  await withClient(connection, {}, async (client) => {
    const recovering = async () =>
      (await client.query<{ recovering: boolean }>('select pg_is_in_recovery() as recovering')).rows[0]?.recovering
    if (!(await recovering())) return
    await client.query('select pg_wal_replay_resume()')
    await until(async () => (await recovering()) === false, { timeoutMs: 600_000, what: 'the copy to end its recovery', signal })
  })
}
