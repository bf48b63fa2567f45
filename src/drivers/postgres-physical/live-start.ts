/** The server of a data directory, stopped and started by the commands of its source, and seen to take writes. */
import { join } from 'node:path'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { signalAll } from '../../process/in-folder.ts'
import { run } from '../../process/run.ts'
import { until } from '../../process/wait.ts'
import type { DriverContext } from '../driver.ts'
import { withClient } from '../postgres-common/connect.ts'
import { runningInstance } from '../postgres-common/instance.ts'
import { readControlData } from './controldata.ts'
import { isRunning, type LivePlace, requireStopped, statOf } from './live-place.ts'

const COMMAND_MS = 300_000
const ENDING_MS = 120_000
const DAY_MS = 24 * 3600 * 1000
/** A start command may answer before its server is there. */
const APPEARING_MS = 30_000
/** A server that has ended its recovery is asked so long, for sessions that fill it up, or an address that moves. */
const ANSWERING_MS = 10_000
/** It answers so until it has ended its recovery. */
const STARTING_UP = '57P03'

/** Throws SOURCE_LOCKED where a server still works there afterwards. */
export async function stopServer(place: LivePlace, signal: AbortSignal): Promise<void> {
  if (!place.service) return requireStopped(place)
  // Of a server in another container no process is seen: there its own file says that it ended.
  const elsewhere = !(await isRunning(place)) && (await answers(place))
  await call(place.service.stop, signal)
  const gone = async () => !(await isRunning(place)) && !(elsewhere && (await statOf(`${place.dataDir}/postmaster.pid`)))
  await until(gone, { timeoutMs: ENDING_MS, what: `the server on ${place.dataDir} to end`, signal }).catch(async (error: unknown) => {
    await requireStopped(place)
    throw error
  })
}

export interface Writable {
  timeline: number
  lsn: string
}

/** It runs and has ended its recovery, so that others may write to it; but this is what its address said. */
export interface Unseen {
  unseen: string
}

export type Started = Writable | Unseen

/** PostgreSQL removes the signal before it takes writes, and a copy that was filled has it. */
export async function recovered(dataDir: string): Promise<boolean> {
  return (await statOf(join(dataDir, 'recovery.signal'))) === undefined
}

/** Resolves once the server of this place takes writes, its recovery included. Throws where it does not stay up. */
export async function startServer(place: LivePlace, systemId: string | undefined, context: DriverContext): Promise<Started> {
  const { signal, onProgress } = context
  if (!place.service) throw new Error('only a source with a service is started')
  // A supervisor may call a long recovery a failed start: what counts is whether the server stays.
  const refused = await call(place.service.start, signal).then(
    () => undefined,
    (error: unknown) => (signal.aborted ? Promise.reject(error) : messageOf(error)),
  )
  let seen = Date.now()
  let recovering = Date.now()
  return until(
    async () => {
      onProgress({ phase: 'recovery' })
      const found = await writable(place, systemId)
      const [ended, running] = await Promise.all([recovered(place.dataDir), isRunning(place)])
      if (ended && 'lsn' in found) return found
      const { why, mayPass, startingUp } = 'lsn' in found ? ELSEWHERE : found
      if (running) seen = Date.now()
      if (!ended || !running || startingUp) recovering = Date.now()
      else if (!mayPass || Date.now() - recovering > ANSWERING_MS) return { unseen: why }
      if (Date.now() - seen < APPEARING_MS) return false
      throw new HoldfastError('PROCESS_FAILED', `no server stays up on ${place.dataDir}: ${refused ?? why}`, {
        object: place.dataDir,
        next: 'read the log of PostgreSQL; the restore tries again, and at the end puts the old cluster back, unless the new one has ended its recovery',
      })
    },
    { timeoutMs: DAY_MS, everyMs: 250, what: `the server on ${place.dataDir} to take writes`, signal },
  )
}

/** Some server at the address of this one. */
async function answers({ connection }: LivePlace): Promise<boolean> {
  return withClient(connection, {}, async (client) => (await client.query('select 1')).rowCount === 1).catch(() => false)
}

/** Why it is not seen to take writes. */
interface Refusal {
  why: string
  mayPass: boolean
  startingUp?: boolean
}

const ELSEWHERE: Refusal = { why: 'another server answers at its address', mayPass: true }

/** Where it stands, or why it takes no writes. Another server that answers at this address counts for nothing. */
async function writable(place: LivePlace, systemId: string | undefined): Promise<Writable | Refusal> {
  return withClient(place.connection, {}, async (client) => {
    const { rows } = await client.query<{ system: string; recovering: boolean; checkpoint: string }>(
      `select system_identifier::text as system, pg_is_in_recovery() as recovering, checkpoint_lsn::text as checkpoint
         from pg_control_system(), pg_control_checkpoint()`,
    )
    const [row] = rows
    if (systemId !== undefined && row?.system !== systemId)
      return { why: `the server that answers is of database system ${row?.system}`, mayPass: true }
    if (row?.recovering !== false) return { why: 'the server that answers is in recovery', mayPass: true }
    if (row.checkpoint !== (await checkpointOf(place))) return ELSEWHERE
    // Gives a transaction its number, which is a write.
    await client.query('select txid_current()')
    const { rows: at } = await client.query<Writable>(
      `select ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int as timeline, pg_current_wal_lsn()::text as lsn`,
    )
    return at[0] as Writable
  }).catch(refusalOf)
}

/** Of this folder itself: one that was promoted elsewhere, or goes on in the folder set aside, has the same system identifier. */
async function checkpointOf(place: LivePlace): Promise<string | undefined> {
  return (await readControlData(place))['Latest checkpoint location']
}

function refusalOf(error: unknown): Refusal {
  const { retryable = true, details = {} } = error instanceof HoldfastError ? error : {}
  return { why: messageOf(error), mayPass: retryable, startingUp: details['sqlstate'] === STARTING_UP }
}

/** It reads its configuration again. */
export async function reload({ dataDir }: LivePlace): Promise<void> {
  const running = await runningInstance(dataDir)
  if (running) signalAll([{ pid: running.pid, cwd: dataDir, name: 'postgres' }], 'SIGHUP')
}

export async function call([program = '', ...args]: readonly string[], signal: AbortSignal): Promise<void> {
  await run({ program, args, cwd: '/' }, { timeoutMs: COMMAND_MS, signal })
}
