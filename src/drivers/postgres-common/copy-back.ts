/** Rows of a recovered copy on their way into the live database: counted, and as a command that a person can read first. */
import { parseConnection, withClient } from './connect.ts'

export interface TableFound {
  name: string
  rows: number
}

/** Rows of each table of the copy; without names, of every user table. */
export async function countTables(connection: string, names: string[]): Promise<TableFound[]> {
  return withClient(connection, {}, async (client) => {
    const wanted =
      names.length > 0
        ? names
        : (
            await client.query<{ name: string }>(`select format('%I.%I', schemaname, relname) as name from pg_stat_user_tables order by 1`)
          ).rows.map(({ name }) => name)
    const found: TableFound[] = []
    for (const name of wanted) {
      const { rows } = await client.query<{ name: string; rows: string }>(
        `select format('%I.%I', n.nspname, c.relname) as name, (xpath('/row/c/text()', query_to_xml(format('select count(*) as c from %I.%I', n.nspname, c.relname), false, true, '')))[1]::text as rows
         from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = to_regclass($1)`,
        [name],
      )
      found.push({ name: rows[0]?.name ?? name, rows: Number(rows[0]?.rows ?? 0) })
    }
    return found
  })
}

const word = (text: string) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`)

function place(connection: string): string {
  const { host, port, user, dbname } = parseConnection(connection)
  return [host && `-h ${word(host)}`, port && `-p ${word(port)}`, user && `-U ${word(user)}`, dbname && `-d ${word(dbname)}`]
    .filter(Boolean)
    .join(' ')
}

/**
 * Brings one table back: made where it is gone, and only its missing rows (by its key) where it is still there. Holds no
 * password: psql asks, or takes it from PGPASSWORD or the password file.
 */
export function copyBackCommand(copy: string, live: string, table: string): string {
  const to = `psql -X -q -v ON_ERROR_STOP=1 ${place(live)}`
  const there = `[ -n "$(${to} -Atc ${word(`select to_regclass('${table.replaceAll("'", "''")}')`)})" ]`
  const rows = '--data-only --rows-per-insert=500 --on-conflict-do-nothing'
  return `pg_dump ${place(copy)} --table=${word(table)} --no-owner $(${there} && echo "${rows}") | ${to}`
}
