/** The server of a data directory, stopped and started by the commands of its source, and seen to take writes. */
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { signalAll } from '../../process/in-folder.ts'
import { run } from '../../process/run.ts'
import { until } from '../../process/wait.ts'
import type { DriverContext } from '../driver.ts'
import { withClient } from '../postgres-common/connect.ts'
import { runningInstance } from '../postgres-common/instance.ts'
import { isRunning, type LivePlace, requireStopped, statOf } from './live-place.ts'

const COMMAND_MS = 300_000
const ENDING_MS = 120_000
const DAY_MS = 24 * 3600 * 1000
/** A start command may answer before its server is there. */
const APPEARING_MS = 30_000

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

/** Resolves once the server of this system takes writes, its recovery included. Throws where it does not stay up. */
export async function startServer(place: LivePlace, systemId: string | undefined, context: DriverContext): Promise<Writable> {
  const { signal, onProgress } = context
  if (!place.service) throw new Error('only a source with a service is started')
  // A supervisor may call a long recovery a failed start: what counts is whether the server stays.
  const refused = await call(place.service.start, signal).then(
    () => undefined,
    (error: unknown) => (signal.aborted ? Promise.reject(error) : messageOf(error)),
  )
  let seen = Date.now()
  return until(
    async () => {
      onProgress({ phase: 'recovery' })
      const found = await writable(place, systemId)
      if (typeof found !== 'string') return found
      if (await isRunning(place)) seen = Date.now()
      if (Date.now() - seen < APPEARING_MS) return false
      throw new HoldfastError('PROCESS_FAILED', `no server stays up on ${place.dataDir}: ${refused ?? found}`, {
        object: place.dataDir,
        next: 'read the log of PostgreSQL; the restore tries again, and puts the old cluster back at the end',
      })
    },
    { timeoutMs: DAY_MS, everyMs: 250, what: `the server on ${place.dataDir} to take writes`, signal },
  )
}

/** Some server at the address of this one. */
async function answers({ connection }: LivePlace): Promise<boolean> {
  return withClient(connection, {}, async (client) => (await client.query('select 1')).rowCount === 1).catch(() => false)
}

/** Where it stands, or why it takes no writes. Another server that answers at this address counts for nothing. */
export async function writable({ connection }: LivePlace, systemId: string | undefined): Promise<Writable | string> {
  return withClient(connection, {}, async (client) => {
    const { rows } = await client.query<{ system: string; recovering: boolean }>(
      'select system_identifier::text as system, pg_is_in_recovery() as recovering from pg_control_system()',
    )
    if (systemId !== undefined && rows[0]?.system !== systemId) return `the server that answers is of database system ${rows[0]?.system}`
    if (rows[0]?.recovering !== false) return 'it is in recovery'
    // Gives a transaction its number, which is a write.
    await client.query('select txid_current()')
    const { rows: at } = await client.query<Writable>(
      `select ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int as timeline, pg_current_wal_lsn()::text as lsn`,
    )
    return at[0] as Writable
  }).catch((error: unknown) => messageOf(error))
}

/** It reads its configuration again. */
export async function reload({ dataDir }: LivePlace): Promise<void> {
  const running = await runningInstance(dataDir)
  if (running) signalAll([{ pid: running.pid, cwd: dataDir, name: 'postgres' }], 'SIGHUP')
}

export async function call([program = '', ...args]: readonly string[], signal: AbortSignal): Promise<void> {
  await run({ program, args, cwd: '/' }, { timeoutMs: COMMAND_MS, signal })
}
