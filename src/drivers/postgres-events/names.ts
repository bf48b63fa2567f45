/** Names of the configuration as SQL. */
import { identifier } from '../postgres-common/sql.ts'

/** `event_core.event_log` is two names. */
export function quoted(name: string): string {
  return name.split('.').map(identifier).join('.')
}

/** The tables of a point that are in this schema, as its content names them. */
export function tablesIn(schema: string, tables: readonly string[]): string[] {
  return tables.filter((table) => table.startsWith(`${schema}.`) || table.startsWith(`${identifier(schema)}.`))
}
