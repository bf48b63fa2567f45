/** Several sessions that see one and the same state of a database. */
import { type Client, closeSession, connect } from './connect.ts'

export interface Readers {
  /** The first one exported the snapshot. */
  clients: readonly [Client, ...Client[]]
  snapshot: string
  /** Moment and position of the snapshot, from the server. */
  time: string
  lsn: string
}

const BEGIN = 'begin transaction isolation level repeatable read read only'

/**
 * Opens `count` sessions in read-only transactions on one snapshot, runs `use`, and ends them all in any case. With
 * `snapshot` given they join that one instead of exporting their own. An abort cancels what they run.
 */
export async function withReaders<T>(
  connection: string,
  options: { count?: number; snapshot?: string; database?: string; signal?: AbortSignal; applicationName?: string; lockWaitMs?: number },
  use: (readers: Readers) => Promise<T>,
): Promise<T> {
  const clients: Client[] = []
  const end = () => Promise.all(clients.map(closeSession))
  // Ending the connection of a session is how its query is stopped: nothing here is worth an orderly end.
  const onAbort = () => {
    for (const client of clients) client.connection.stream.destroy()
  }
  options.signal?.addEventListener('abort', onAbort, { once: true })
  try {
    const open = async (): Promise<Client> => {
      options.signal?.throwIfAborted()
      const client = await connect(connection, {
        ...(options.database ? { database: options.database } : {}),
        ...(options.applicationName ? { applicationName: options.applicationName } : {}),
      })
      clients.push(client)
      // Since version 14 a query whose client has gone ends by itself. A snapshot can be joined only before any query.
      await client.query("select set_config(name, '2000', false) from pg_settings where name = 'client_connection_check_interval'")
      await client.query(
        `${BEGIN}; set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0; set local lock_timeout = ${options.lockWaitMs ?? 60_000}`,
      )
      return client
    }
    const first = await open()
    const snapshot = options.snapshot ?? (await exported(first))
    if (options.snapshot) await join(first, snapshot)
    const {
      rows: [at],
    } = await first.query<{ time: string; lsn: string }>(
      `select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as time,
         (case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end)::text as lsn`,
    )
    while (clients.length < (options.count ?? 1)) await join(await open(), snapshot)
    return await use({ clients: clients as [Client, ...Client[]], snapshot, time: at?.time ?? '', lsn: at?.lsn ?? '' })
  } finally {
    options.signal?.removeEventListener('abort', onAbort)
    await end()
  }
}

async function exported(client: Client): Promise<string> {
  const { rows } = await client.query<{ snapshot: string }>('select pg_export_snapshot() as snapshot')
  return rows[0]?.snapshot ?? ''
}

async function join(client: Client, snapshot: string): Promise<void> {
  await client.query(`set transaction snapshot '${snapshot.replaceAll("'", '')}'`)
}
