/** Ending a WAL segment and seeing it arrive in the archive. */
import { HoldfastError } from '../../core/errors.ts'
import { until } from '../../process/wait.ts'
import type { DriverContext } from '../driver.ts'
import { type Client, withClient } from '../postgres-common/connect.ts'
import type { PhysicalEngine } from './engine.ts'

/** How long a segment may take to reach the archive before that is a fault of the archiver. */
const ARCHIVE_MS = 120_000
/** PostgreSQL tries so often before it pauses for a minute. */
const FAILURES = 3

/**
 * Resolves to the name of the segment that was ended, once the archive has it. A committed mark goes first: replay to a
 * moment needs a commit after it, and an idle database has none.
 */
export async function switchAndAwait(engine: PhysicalEngine, connection: string, { signal, onProgress }: DriverContext): Promise<string> {
  return withClient(connection, {}, async (client) => {
    const before = await archiver(client)
    await client.query(`select pg_logical_emit_message(true, 'holdfast', 'mark')`)
    // Not from the control file: that is behind until the first checkpoint after a promotion.
    const { rows } = await client.query<{ wal: string }>('select pg_walfile_name(pg_switch_wal()) as wal')
    const { wal } = rows[0] as { wal: string }
    const arrived = async () => {
      onProgress({ phase: `archive ${wal}` })
      const { last, failures, failedWal } = await archiver(client)
      // A backup's history file may be the last thing archived: then only the archive itself can tell.
      if ((last === null || last >= wal) && (await engine.hasWal(wal))) return true
      if (failures - before.failures >= FAILURES)
        throw unhealthy(wal, `archive_command failed ${failures - before.failures} times meanwhile, on ${failedWal}`)
      return false
    }
    await until(arrived, { timeoutMs: ARCHIVE_MS, everyMs: 200, what: `${wal} to be archived`, signal }).catch((cause: unknown) => {
      const late = cause instanceof HoldfastError && cause.code === 'PROCESS_TIMEOUT'
      throw late ? unhealthy(wal, `that took longer than ${ARCHIVE_MS / 1000} s`, cause) : cause
    })
    return wal
  })
}

interface Archiver {
  last: string | null
  failures: number
  failedWal: string | null
}

async function archiver(client: Client): Promise<Archiver> {
  const { rows } = await client.query<Archiver>(`
    select case when last_archived_wal ~ '^[0-9A-F]{24}$' then last_archived_wal end as last, failed_count::int as failures,
      last_failed_wal as "failedWal" from pg_stat_archiver`)
  return rows[0] as Archiver
}

function unhealthy(wal: string, why: string, cause?: unknown): HoldfastError {
  return new HoldfastError('ARCHIVE_UNHEALTHY', `the WAL segment ${wal} did not reach the archive: ${why}`, {
    object: wal,
    cause,
    next: 'read the log of PostgreSQL for the output of archive_command; run holdfast doctor',
  })
}
