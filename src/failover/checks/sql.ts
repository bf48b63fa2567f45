/** A check by SQL: one row with one boolean. It looks and changes nothing: its session is read only. */
import { Client, type ClientConfig } from 'pg'
import { messageOf } from '../../core/errors.ts'
import type { Verdict } from './index.ts'

export async function checkSql(
  { sql }: { sql: string },
  connection: ClientConfig,
  signal: AbortSignal,
  timeoutMs: number,
): Promise<Verdict> {
  const client = new Client({
    ...connection,
    application_name: 'holdfast check',
    connectionTimeoutMillis: timeoutMs,
    statement_timeout: timeoutMs,
    options: '-c default_transaction_read_only=on',
  })
  // A server that goes away while nobody waits for an answer must not end the worker.
  client.on('error', () => {})
  // Closing the socket ends whatever is awaited, also where the server is frozen and would never answer.
  const close = () => client.connection.stream.destroy()
  signal.addEventListener('abort', close, { once: true })
  try {
    await client.connect()
    const { rows } = await client.query<unknown[]>({ text: sql, rowMode: 'array' })
    return judge(rows)
  } catch (error) {
    return { ok: false, detail: messageOf(error) || (error as NodeJS.ErrnoException).code || 'no connection' }
  } finally {
    signal.removeEventListener('abort', close)
    close()
  }
}

function judge(rows: unknown[][]): Verdict {
  const [row] = rows
  if (rows.length !== 1 || row?.length !== 1)
    return { ok: false, detail: `${rows.length} rows with ${row?.length ?? 0} columns, wanted one boolean` }
  if (typeof row[0] !== 'boolean') return { ok: false, detail: `${JSON.stringify(row[0])} is no boolean` }
  return { ok: row[0], detail: String(row[0]) }
}
