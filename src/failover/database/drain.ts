/** Between fence and promotion: what only the old side has goes into the archive, and the standby replays all there is. */
import { access, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { Command } from '../../process/command.ts'
import { run } from '../../process/run.ts'
import { until } from '../../process/wait.ts'
import { type ControlData, readControlData, withControlView } from './control-data.ts'
import { pidsOf, type Site, siteUser, withSite } from './site.ts'
import { assembleForward, segmentBytesOf } from './wal-files.ts'
import { parseLsn } from './wal-position.ts'

/** One file of pg_wal for the archive command. */
export interface WalFile {
  name: string
  path: string
  /** A folder with the cluster's `global/pg_control`, for programs that look at it: the data directory may be pinned. */
  pgPath: string
}

/** How the site's archive takes a file: as `archive_command` would, with an absolute path, by the same OS user unless it names one. */
export type ArchivePush = (file: WalFile) => Command

export interface Drained {
  /** False where the old side's pg_wal cannot be read: `why` says how. Then only the archive and the stream are known. */
  reachable: boolean
  why?: string
  /** Pushed now, oldest first. */
  segments: string[]
  /** The last, half-filled segment, under its own name. An abort that lets the old side go on has to remove it from the archive first. */
  partial?: string
  /** Where the last record of the old side begins: a standby that replayed past it has lost nothing. */
  lastRecord?: string
  timeline?: number
}

const SEGMENT = /^[0-9A-F]{24}$/

/**
 * Pushes what the archive does not have yet: whatever waits in archive_status, then the log from the last checkpoint to
 * its end. Throws what the archive command throws; may be called again.
 */
export async function drainArchive(site: Site, push: ArchivePush): Promise<Drained> {
  const pids = await pidsOf(site)
  if (pids.length > 0)
    throw new HoldfastError('FENCE_UNPROVEN', `site ${site.name} still runs (${pids.join(', ')}): its log has no end yet`, {
      object: site.dataDir,
    })
  const walDir = join(site.dataDir, 'pg_wal')
  const work = await mkdtemp(join(tmpdir(), 'holdfast-drain-'))
  try {
    const found = await remaining(site, walDir, join(work, 'wal')).catch((error: unknown) => ({ why: messageOf(error) }))
    if ('why' in found) return { reachable: false, why: `${walDir} cannot be read: ${found.why}`, segments: [] }
    await withControlView(site, async (pgPath) => {
      for (const name of found.names) {
        await run(
          { user: siteUser(site), cwd: '/', ...push({ name, path: join(walDir, name), pgPath }) },
          { signal: site.signal, timeoutMs: 120_000 },
        )
        await markDone(walDir, name)
      }
    })
    const { names, partial, lastRecord, timeline } = found
    return { reachable: true, segments: names, timeline, ...(partial ? { partial } : {}), ...(lastRecord ? { lastRecord } : {}) }
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

interface Remaining {
  names: string[]
  partial?: string
  lastRecord?: string
  timeline: number
}

async function remaining(site: Site, walDir: string, links: string): Promise<Remaining> {
  const control = await readControlData(site)
  const segmentBytes = await segmentBytesOf(walDir)
  if (segmentBytes === undefined) throw new Error('it holds no WAL')
  const status = await readdir(join(walDir, 'archive_status'))
  const ready = status
    .filter((name) => name.endsWith('.ready'))
    .map((name) => name.slice(0, -'.ready'.length))
    .sort()
  await assembleForward({ walDir, timeline: control.timeline }, parseLsn(control.redoLsn), segmentBytes, links)
  const written = (await readdir(links)).sort()
  const lastRecord = await lastRecordIn(site, links, written, control)
  const unsent = written.filter((name) => !status.includes(`${name}.done`) && !ready.includes(name))
  // Histories sort after segments of their timeline, and a standby asks for them first.
  const names = [...ready.filter((name) => !SEGMENT.test(name)), ...ready.filter((name) => SEGMENT.test(name)), ...unsent]
  const last = written.at(-1)
  return { names, timeline: control.timeline, lastRecord, ...(last && unsent.includes(last) ? { partial: last } : {}) }
}

/** pg_waldump exits 1 at every end of a log, naming the last record that it could read; but not at the end of a full segment. */
async function lastRecordIn(site: Site, folder: string, written: string[], control: ControlData): Promise<string> {
  const waldump = [join(site.binDir, 'pg_waldump'), '-p', folder, '-t', String(control.timeline)]
  const dump = (script: string, words: string[]) =>
    run({ program: 'sh', args: ['-c', script, 'sh', ...waldump, ...words], env: { LC_ALL: 'C' } }, { signal: site.signal })
  const quiet = await dump('"$@" 2>&1 || true', ['-q', '-s', control.redoLsn])
  const stopped = /error in WAL record at ([0-9A-F]+\/[0-9A-F]+)/.exec(quiet.stdout)?.[1]
  if (stopped) return stopped
  const lines = await dump('"$@" 2>/dev/null | tail -n 1', [written.at(-1) ?? ''])
  const last = /lsn: ([0-9A-F]+\/[0-9A-F]+)/.exec(lines.stdout)?.[1]
  if (!last) throw new Error(`no end of the log can be read: ${quiet.stdout.trim()}`)
  return last
}

/** So that a cluster that goes on does not send it again, which an archive may refuse. */
async function markDone(walDir: string, name: string): Promise<void> {
  const status = join(walDir, 'archive_status', name)
  if (
    await access(`${status}.ready`).then(
      () => true,
      () => false,
    )
  )
    await rename(`${status}.ready`, `${status}.done`)
}

export interface ReplayEnd {
  replayedLsn: string
  receivedLsn?: string
  reached: boolean
}

/**
 * Resolves when the standby has replayed past `mustPass`, or, where the end is not known, when nothing has come for
 * `quietMs` (longer than the standby's wal_retrieve_retry_interval). Throws STANDBY_UNHEALTHY where the replay is paused.
 */
export async function awaitReplayEnd(
  standby: Site,
  options: { quietMs: number; mustPass?: string; timeoutMs?: number },
): Promise<ReplayEnd> {
  const { quietMs, mustPass } = options
  let last: ReplayEnd | undefined
  let since = Date.now()
  const look = async (): Promise<ReplayEnd | false> => {
    const now = await replayOf(standby)
    if (mustPass !== undefined && parseLsn(now.replayedLsn) > parseLsn(mustPass)) return { ...now, reached: true }
    if (last?.replayedLsn !== now.replayedLsn || last.receivedLsn !== now.receivedLsn) since = Date.now()
    last = now
    return mustPass === undefined && Date.now() - since >= quietMs && { ...now, reached: true }
  }
  try {
    return await until(look, {
      timeoutMs: options.timeoutMs ?? 120_000,
      everyMs: 50,
      what: `site ${standby.name} to replay all there is`,
      signal: standby.signal,
    })
  } catch (error) {
    // Past this moment it is the operator who says whether what did not arrive may be lost.
    if (last && error instanceof HoldfastError && error.code === 'PROCESS_TIMEOUT') return last
    throw error
  }
}

async function replayOf(standby: Site): Promise<ReplayEnd> {
  const row = await withSite(
    standby,
    async (client) =>
      (
        await client.query<{ standby: boolean; paused: string; received: string | null; replayed: string | null }>(
          `select pg_is_in_recovery() as standby, case when pg_is_in_recovery() then pg_get_wal_replay_pause_state() else '' end as paused,
       pg_last_wal_receive_lsn()::text as received, pg_last_wal_replay_lsn()::text as replayed`,
        )
      ).rows[0],
  )
  const unhealthy = (why: string, next: string) =>
    new HoldfastError('STANDBY_UNHEALTHY', `site ${standby.name}: ${why}`, { object: standby.name, next })
  if (!row?.standby || !row.replayed)
    throw unhealthy('it is no standby that replays', 'look at its log; re-clone it if it has been promoted by hand')
  if (row.paused !== 'not paused')
    throw unhealthy(`its replay is ${row.paused}`, `run select pg_wal_replay_resume() on ${standby.address}:${standby.port}`)
  return { replayedLsn: row.replayed, reached: false, ...(row.received ? { receivedLsn: row.received } : {}) }
}
