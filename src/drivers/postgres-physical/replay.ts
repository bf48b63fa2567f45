/** Watching a copy replay WAL, by its own log and state: an accepted connection says nothing of where replay stands. */
import { open } from 'node:fs/promises'
import { HoldfastError } from '../../core/errors.ts'
import { until } from '../../process/wait.ts'
import type { Progress } from '../driver.ts'
import { withClient } from '../postgres-common/connect.ts'
import { runningInstance } from '../postgres-common/instance.ts'

export interface StoppedAt {
  lsn: string
  time?: string
  xid?: string
  paused: boolean
  reason: string
}

/** What the log said so far. */
export interface ReplayLog {
  /** `at restore point "x", time …`, `before commit of transaction 7, time …`. */
  stopping?: string
  redoDone?: string
  lastCommit?: string
  lastRestored?: string
  restored: number
  endedEarly?: boolean
  beforeConsistency?: boolean
  promoted?: boolean
  /** Settings that the source raised after the backup, with the values it has. */
  raised: Record<string, string>
  complaints: string[]
}

/** Reads what the log gained since the last call. */
export function followLog(file: string, from = 0): () => Promise<ReplayLog> {
  const log: ReplayLog = { restored: 0, raised: {}, complaints: [] }
  let position = from
  let rest = ''
  return async () => {
    const handle = await open(file, 'r').catch(() => undefined)
    if (!handle) return log
    try {
      const { size } = await handle.stat()
      if (size <= position) return log
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(size - position), 0, size - position, position)
      position += bytesRead
      const lines = (rest + buffer.toString('utf8', 0, bytesRead)).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) note(log, line)
      return log
    } finally {
      await handle.close()
    }
  }
}

const COMPLAINTS = 20

function note(log: ReplayLog, line: string): void {
  const found = (pattern: RegExp) => pattern.exec(line)?.[1]
  log.stopping = found(/recovery stopping (.*)$/) ?? log.stopping
  log.redoDone = found(/redo done at ([0-9A-F]+\/[0-9A-F]+)/) ?? log.redoDone
  log.lastCommit = found(/last completed transaction was at log time (.*)$/) ?? log.lastCommit
  log.lastRestored = found(/restored log file "([0-9A-F]{24})"/) ?? log.lastRestored
  if (/restored log file "[0-9A-F]{24}"/.test(line)) log.restored += 1
  if (/recovery ended before configured recovery target was reached/.test(line)) log.endedEarly = true
  if (/requested recovery stop point is before consistent recovery point/.test(line)) log.beforeConsistency = true
  if (/archive recovery complete/.test(line)) log.promoted = true
  const raised = /(\w+) = \d+ is a lower setting than on the primary server, where its value was (\d+)/.exec(line)
  if (raised) log.raised[raised[1] as string] = raised[2] as string
  if (/(ERROR|FATAL|PANIC|WARN)/.test(line)) log.complaints = [...log.complaints, line].slice(-COMPLAINTS)
}

export interface Watch {
  dataDir: string
  connection: string
  log: () => Promise<ReplayLog>
  /** Replays to the end and promotes itself, instead of pausing at a target. */
  toTheEnd: boolean
  signal: AbortSignal
  onProgress(progress: Progress): void
}

const DAY_MS = 24 * 3600 * 1000

/** Resolves where replay stands still for good, or with the settings that it waits for. Throws what replayFailure makes of it. */
export async function awaitStop(watch: Watch): Promise<StoppedAt | { raised: Record<string, string> }> {
  return until(
    async () => {
      const log = await watch.log()
      watch.onProgress({ phase: `replay ${log.lastRestored ?? ''}`.trim(), parts: log.restored })
      if (!(await runningInstance(watch.dataDir))) throw replayFailure(await watch.log(), watch.dataDir)
      if (Object.keys(log.raised).length > 0) return { raised: log.raised }
      if (watch.toTheEnd) return log.promoted ? atTheEnd(watch.connection, log) : false
      // A pause alone may be for want of settings: only with the log's word is it the target.
      return log.stopping === undefined ? false : paused(watch.connection, log)
    },
    { timeoutMs: DAY_MS, everyMs: 100, what: `replay in ${watch.dataDir} to stop`, signal: watch.signal },
  )
}

async function paused(connection: string, log: ReplayLog): Promise<StoppedAt | false> {
  const row = await state(connection)
  if (row?.pause !== 'paused' || !row.lsn) return false
  const xid = /^after commit of transaction (\d+)/.exec(log.stopping ?? '')?.[1]
  return { lsn: row.lsn, ...(row.time ? { time: row.time } : {}), ...(xid ? { xid } : {}), paused: true, reason: log.stopping ?? '' }
}

async function atTheEnd(connection: string, log: ReplayLog): Promise<StoppedAt | false> {
  const row = await state(connection)
  if (!row || row.recovering) return false
  return {
    lsn: log.redoDone ?? '0/0',
    ...(log.lastCommit ? { time: new Date(log.lastCommit).toISOString() } : {}),
    paused: false,
    reason: `at the end of the archive, ${log.lastRestored ?? ''}`,
  }
}

interface State {
  recovering: boolean
  pause: string | null
  lsn: string | null
  time: string | null
}

/** Of the copy, while it accepts connections; between recovery and promotion the functions of one of the two fail. */
async function state(connection: string): Promise<State | undefined> {
  return withClient(connection, {}, async (client) => {
    const { rows } = await client.query<{ recovering: boolean }>('select pg_is_in_recovery() as recovering')
    const recovering = rows[0]?.recovering ?? false
    const sql = recovering
      ? `select pg_get_wal_replay_pause_state() as pause, pg_last_wal_replay_lsn()::text as lsn, to_char(pg_last_xact_replay_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as time`
      : 'select null as pause, null as lsn, null as time'
    return { recovering, ...((await client.query(sql)).rows[0] as Omit<State, 'recovering'>) }
  }).catch(() => undefined)
}

/** Why a copy ended instead of stopping. */
export function replayFailure(log: ReplayLog, object: string, cause?: unknown): HoldfastError {
  const where = log.redoDone
    ? `replay ended at ${log.redoDone}${log.lastCommit ? `, its last commit at ${log.lastCommit}` : ', with no commit'}`
    : 'nothing was replayed'
  const details = { stoppedAt: log.redoDone, lastCommit: log.lastCommit, lastWal: log.lastRestored, complaints: log.complaints }
  if (log.beforeConsistency)
    return new HoldfastError('TARGET_OUT_OF_RANGE', 'the target is before the end of the backup that replay began with', {
      object,
      details,
      cause,
      next: 'begin with an earlier recovery point',
    })
  if (log.endedEarly) {
    return new HoldfastError('TARGET_NOT_REACHED', `the archived WAL ends before the target: ${where}`, {
      object,
      details,
      cause,
      next: `choose an earlier target, or "latest": for a time after ${log.lastCommit ?? 'the last commit'} it gives the same state if nothing was committed since`,
    })
  }
  return new HoldfastError('INTEGRITY', `the copy ended while it replayed: ${where}: ${log.complaints.at(-1) ?? 'its log says nothing'}`, {
    object,
    details,
    cause,
    next: 'read complaints in details: a WAL segment may be missing or damaged',
  })
}
