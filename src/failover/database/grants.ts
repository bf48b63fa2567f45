/** What a role that is no superuser must be allowed for pg_rewind to read from the server. */
import type { Client } from '../../drivers/postgres-common/connect.ts'

const FUNCTIONS = [
  'pg_ls_dir(text, boolean, boolean)',
  'pg_stat_file(text, boolean)',
  'pg_read_binary_file(text)',
  'pg_read_binary_file(text, bigint, bigint, boolean)',
]

const QUESTION = `select f.name from unnest($2::text[]) as f(name)
  where not has_function_privilege($1::name, ('pg_catalog.' || f.name)::regprocedure, 'execute')`

/**
 * The missing grants as statements, ready to be run by a superuser in the session's database: grants on functions are per
 * database, and one that pg_rewind connects to is enough. None for a superuser. Of the session's own role by default.
 */
export async function rewindGrants(client: Client, role?: string): Promise<string[]> {
  const name = role ?? ((await client.query<{ name: string }>('select current_user as name')).rows[0]?.name as string)
  const { rows } = await client.query<{ name: string }>(QUESTION, [name, FUNCTIONS])
  return rows.map((row) => `grant execute on function pg_catalog.${row.name} to ${client.escapeIdentifier(name)};`)
}
