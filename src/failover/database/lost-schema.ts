/**
 * Whether the lost transactions changed definitions: told, not exported. Temporary tables change the same catalogs and are
 * nobody's loss, so rows of the catalogs are looked at, not only that something was written there.
 */
import type { Client } from '../../drivers/postgres-common/connect.ts'
import type { Changes } from './wal-records.ts'

/** Catalogs whose rows belong to a relation, and the column that says to which. */
const OF_RELATION = {
  pg_class: 'oid',
  pg_attribute: 'attrelid',
  pg_attrdef: 'adrelid',
  pg_index: 'indexrelid',
  pg_sequence: 'seqrelid',
  pg_trigger: 'tgrelid',
  pg_rewrite: 'ev_class',
  pg_policy: 'polrelid',
  pg_constraint: 'conrelid',
} as const

/** Catalogs that no temporary table writes to. */
const OF_OTHERS = [
  ...['pg_proc', 'pg_extension', 'pg_enum', 'pg_cast', 'pg_operator', 'pg_opclass', 'pg_opfamily', 'pg_language', 'pg_collation'],
  ...['pg_publication', 'pg_publication_rel', 'pg_foreign_server', 'pg_foreign_data_wrapper', 'pg_foreign_table', 'pg_user_mapping'],
  ...['pg_event_trigger', 'pg_statistic_ext', 'pg_default_acl', 'pg_transform', 'pg_ts_config', 'pg_ts_dict', 'pg_inherits'],
]

/** Of the whole cluster. */
const OF_CLUSTER = [
  'pg_authid',
  'pg_auth_members',
  'pg_database',
  'pg_db_role_setting',
  'pg_tablespace',
  'pg_subscription',
  'pg_parameter_acl',
]

export interface SchemaQuery {
  client: Client
  /** Transaction ids, subtransactions included, as an array literal. */
  xids: string
  /** What those transactions changed of a catalog, by its name. */
  changed: ReadonlyMap<string, Changes>
}

/** Names of relations, and of catalogs where the log does not say more; empty where only temporary tables came and went. */
export async function changedDefinitions(query: SchemaQuery): Promise<string[]> {
  const { client, xids, changed } = query
  const found = new Set<string>()
  for (const [catalog, column] of Object.entries(OF_RELATION)) {
    if (!changed.has(catalog)) continue
    const { rows } = await client.query<{ name: string }>(
      `select distinct c.oid::regclass::text as name from pg_catalog.${catalog} x join pg_catalog.pg_class c on c.oid = x.${column}
       where x.xmin = any($1::xid[]) and c.relpersistence <> 't' and c.relkind not in ('t', 'c')`,
      [xids],
    )
    for (const { name } of rows) found.add(name)
  }
  if (await relationsWereDropped(query)) found.add('a dropped relation')
  for (const [what, sql] of OF_NAMESPACE) {
    if (!changed.has(what)) continue
    for (const { name } of (await client.query<{ name: string }>(sql, [xids])).rows) found.add(name)
  }
  for (const catalog of OF_OTHERS) if (changed.has(catalog)) found.add(catalog)
  return [...found].sort()
}

/** The same of the cluster's own catalogs, which are in every database. */
export const changedGlobals = (changed: ReadonlyMap<string, Changes>): string[] => OF_CLUSTER.filter((catalog) => changed.has(catalog))

/** Of no relation: a schema, a type, a constraint of a domain. */
const LASTING = `nspname !~ '^pg_(toast_)?temp_'`
const OF_NAMESPACE = [
  ['pg_constraint', 'select conname as name from pg_catalog.pg_constraint where xmin = any($1::xid[]) and contypid <> 0'],
  ['pg_namespace', `select nspname as name from pg_catalog.pg_namespace where xmin = any($1::xid[]) and ${LASTING}`],
  // A table's row type goes with the table.
  [
    'pg_type',
    `select t.oid::regtype::text as name from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
     where t.xmin = any($1::xid[]) and ${LASTING} and t.typcategory <> 'A'
       and not exists (select from pg_catalog.pg_class c where c.oid = t.typrelid and c.relkind <> 'c')`,
  ],
] as const

/**
 * Each relation that they made and that is gone was deleted by them: deletions beyond those are of relations that were
 * there before. A temporary table that was altered counts as one too many here, which errs on the side of telling.
 */
async function relationsWereDropped({ client, xids, changed }: SchemaQuery): Promise<boolean> {
  const { inserts = 0, deletes = 0 } = changed.get('pg_class') ?? {}
  if (deletes === 0) return false
  const sql = 'select count(*)::int as rows from pg_catalog.pg_class where xmin = any($1::xid[])'
  const left = (await client.query<{ rows: number }>(sql, [xids])).rows[0]?.rows ?? 0
  return deletes > inserts - left
}
