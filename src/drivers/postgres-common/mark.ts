/** Where a server stands: what a recovery set keeps of the moment of its barrier. */
import { withClient } from './connect.ts'

/** The position of its log; with a restore point of that name there, where the role may make one. */
export async function mark(connection: string, label: string): Promise<Record<string, string>> {
  return withClient(connection, {}, async (client) => {
    const may = await client.query<{ may: boolean }>(
      "select has_function_privilege('pg_create_restore_point(text)', 'execute') and not pg_is_in_recovery() as may",
    )
    const point = may.rows[0]?.may === true
    const { rows } = await client.query<{ lsn: string }>(
      point
        ? { text: 'select pg_create_restore_point($1)::text as lsn', values: [label] }
        : 'select (case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end)::text as lsn',
    )
    return { lsn: rows[0]?.lsn ?? '', ...(point && { restorePoint: label }) }
  })
}
