/** Assertions that every restored PostgreSQL can be asked: the user's own, and the engine's check of its files. */
import { join } from 'node:path'
import { messageOf } from '../../core/errors.ts'
import type { Assertion } from '../../core/records.ts'
import type { UserAssertion } from '../driver.ts'
import { run } from '../../process/run.ts'
import { pgEnvironment, withClient } from './connect.ts'
import { withReaders } from './readers.ts'

const LONGEST_MS = 300_000

/** Each query gives one boolean, in a read-only transaction of its own; anything else is a failed assertion. */
export async function userAssertions(connection: string, assertions: readonly UserAssertion[], signal?: AbortSignal): Promise<Assertion[]> {
  const results: Assertion[] = []
  for (const assertion of assertions) {
    signal?.throwIfAborted()
    results.push({ name: assertion.name, expected: 'true', ...(await ask(connection, String(assertion['sql']), signal)) })
  }
  return results
}

async function ask(connection: string, sql: string, signal?: AbortSignal): Promise<{ ok: boolean; actual: string }> {
  try {
    const rows = await withReaders(connection, signal ? { signal } : {}, async ({ clients: [client] }) => {
      await client.query(`set local statement_timeout = ${LONGEST_MS}`)
      return (await client.query<unknown[]>({ text: sql, rowMode: 'array' })).rows
    })
    const [row] = rows
    if (rows.length !== 1 || row?.length !== 1)
      return { ok: false, actual: `${rows.length} rows of ${row?.length ?? 0} columns instead of one boolean` }
    return { ok: row[0] === true, actual: String(row[0]) }
  } catch (error) {
    if (signal?.aborted) throw error
    return { ok: false, actual: messageOf(error) }
  }
}

/** pg_amcheck over tables and indexes; its extension is there only meanwhile. */
export async function amcheck({
  connection,
  binDir,
  signal,
}: {
  connection: string
  binDir: string
  signal?: AbortSignal
}): Promise<Assertion> {
  const before = await withClient(connection, {}, async (client) => {
    const { rows } = await client.query<{ present: boolean; available: boolean; dbname: string }>(
      `select exists (select from pg_extension where extname = 'amcheck') as present,
         exists (select from pg_available_extensions where name = 'amcheck') as available, current_database() as dbname`,
    )
    return rows[0] as { present: boolean; available: boolean; dbname: string }
  })
  const expected = 'no damage'
  if (!before.available) return { name: 'amcheck', ok: false, expected, actual: 'the extension amcheck is not installed on this worker' }
  let dropped = true
  const check = async () => {
    const args = ['--install-missing', '--heapallindexed', '--jobs=2', '--no-password', `--database=${before.dbname}`]
    return run(
      { program: join(binDir, 'pg_amcheck'), args, env: pgEnvironment(connection) },
      { accept: [0, 1, 2], ...(signal ? { signal } : {}) },
    )
  }
  const result = await check().finally(async () => {
    // A server that damage has brought down is damage found.
    if (!before.present)
      dropped = await withClient(connection, {}, (client) => client.query('drop extension if exists amcheck')).then(
        () => true,
        () => false,
      )
  })
  const ok = result.exitCode === 0 && dropped
  const said = `${result.stdout}${result.stderr}`.trim().slice(-1500)
  return { name: 'amcheck', ok, expected, actual: ok ? expected : said || 'the server went down during the check' }
}
