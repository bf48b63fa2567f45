/**
 * Whether the lost transactions changed definitions: told, not exported. Temporary tables change the same catalogs and are
 * nobody's loss, so rows of those are looked at, not only that something was written there.
 */
import type { Client } from '../../drivers/postgres-common/connect.ts'
import type { Changes } from './wal-records.ts'

/** Catalogs that hold no definitions: statistics, dependencies, and contents that are exported as rows. */
const NO_DEFINITIONS = ['pg_statistic', 'pg_statistic_ext_data', 'pg_depend', 'pg_shdepend', 'pg_largeobject', 'pg_largeobject_metadata']

const OF_RELATION = (catalog: string, column: string) =>
  `select c.oid::regclass::text as name from pg_catalog.${catalog} x join pg_catalog.pg_class c on c.oid = x.${column}
   where x.xmin = any($1::xid[]) and c.relpersistence <> 't' and c.relkind <> 't'`
const LASTING = `nspname !~ '^pg_(toast_)?temp_'`

/** Catalogs that a temporary table changes too, and what of the rows that stand there now is of something lasting. */
const LASTING_ROWS: Readonly<Record<string, string>> = {
  pg_class: OF_RELATION('pg_class', 'oid'),
  pg_attribute: OF_RELATION('pg_attribute', 'attrelid'),
  pg_attrdef: OF_RELATION('pg_attrdef', 'adrelid'),
  pg_index: OF_RELATION('pg_index', 'indexrelid'),
  pg_inherits: OF_RELATION('pg_inherits', 'inhrelid'),
  pg_policy: OF_RELATION('pg_policy', 'polrelid'),
  pg_rewrite: OF_RELATION('pg_rewrite', 'ev_class'),
  pg_sequence: OF_RELATION('pg_sequence', 'seqrelid'),
  pg_trigger: OF_RELATION('pg_trigger', 'tgrelid'),
  pg_constraint: `${OF_RELATION('pg_constraint', 'conrelid')}
    union all select conname from pg_catalog.pg_constraint where xmin = any($1::xid[]) and conrelid = 0`,
  pg_namespace: `select nspname as name from pg_catalog.pg_namespace where xmin = any($1::xid[]) and ${LASTING}`,
  // A table's row type goes with the table.
  pg_type: `select t.oid::regtype::text as name from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
    where t.xmin = any($1::xid[]) and ${LASTING} and t.typcategory <> 'A'
      and not exists (select from pg_catalog.pg_class c where c.oid = t.typrelid and c.relkind <> 'c')`,
}

export interface SchemaQuery {
  client: Client
  /** Transaction ids, subtransactions included, as an array literal. */
  xids: string
  /** What those transactions changed of a catalog, by its name. */
  changed: ReadonlyMap<string, Changes>
}

/** Names of what was made or altered, and of catalogs where the log does not say more; empty where only temporary tables came and went. */
export async function changedDefinitions({ client, xids, changed }: SchemaQuery): Promise<string[]> {
  const found = new Set<string>()
  for (const [catalog, changes] of changed) {
    if (NO_DEFINITIONS.includes(catalog)) continue
    const lasting = LASTING_ROWS[catalog]
    if (lasting === undefined) found.add(catalog)
    else {
      for (const { name } of (await client.query<{ name: string }>(lasting, [xids])).rows) found.add(name)
      if (await mayHaveLost(client, catalog, changes, xids)) found.add(`possibly a drop, by ${catalog}`)
    }
  }
  return [...found].sort()
}

/**
 * Each row that they made and that is gone was deleted by them: deletions beyond those are of rows from before. Rows that
 * they only altered look made here, and a temporary table of before may be what went: it errs on the side of telling.
 */
async function mayHaveLost(client: Client, catalog: string, { inserts, deletes }: Changes, xids: string): Promise<boolean> {
  if (deletes === 0) return false
  const sql = `select count(*)::int as rows from pg_catalog.${catalog} where xmin = any($1::xid[])`
  const left = (await client.query<{ rows: number }>(sql, [xids])).rows[0]?.rows ?? 0
  return deletes > inserts - left
}

/** The same of the cluster's own catalogs, which are in every database. */
export const changedGlobals = (changed: ReadonlyMap<string, Changes>): string[] =>
  [...changed.keys()].filter((catalog) => !NO_DEFINITIONS.includes(catalog)).sort()
