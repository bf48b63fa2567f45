/** Which relations of a database hold rows of its users, and which of them a selection means. */
import type { Client } from './connect.ts'

export interface Relation {
  oid: number
  /** `schema.table`, quoted where SQL needs it. */
  name: string
  schema: string
  table: string
  kind: 'table' | 'materialized view'
  unlogged: boolean
  /** False for a materialized view that was never filled. */
  populated: boolean
  /** Made by CREATE EXTENSION, which a logical dump repeats instead of carrying the rows. */
  ofExtension: boolean
  bytes: number
}

/** pg_dump's own patterns: `-n`, `-t` and `-T`. */
export interface Selection {
  schemas?: readonly string[] | undefined
  tables?: readonly string[] | undefined
  excludeTables?: readonly string[] | undefined
}

/** Asking for the size of a table that somebody has locked would wait for the lock: then what was counted last serves. */
const SIZE = `case when exists (select from pg_catalog.pg_locks l where l.relation = c.oid and l.mode = 'AccessExclusiveLock' and l.granted)
  then c.relpages::float8 * pg_catalog.current_setting('block_size')::int else pg_catalog.pg_table_size(c.oid)::float8 end`

/**
 * Tables and materialized views, the largest first. Partitions stand for their parents, which hold no rows; foreign and
 * temporary tables and the system's own are left out.
 */
export async function relationsOf(client: Client, selection: Selection = {}): Promise<Relation[]> {
  const values: string[] = []
  const { rows } = await client.query<Relation>(
    `select c.oid::int8::float8 as oid, format('%I.%I', n.nspname, c.relname) as name, n.nspname as schema, c.relname as table,
       case c.relkind when 'm' then 'materialized view' else 'table' end as kind,
       c.relpersistence = 'u' as unlogged, c.relispopulated as populated,
       exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e') as "ofExtension",
       ${SIZE} as bytes
     from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'm') and c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
       and ${selected(selection, values)}
     order by 9 desc, 2`,
    values,
  )
  return rows
}

/** The arguments that give pg_dump the same selection. */
export function selectionArguments({ schemas = [], tables = [], excludeTables = [] }: Selection): string[] {
  return [
    ...schemas.map((name) => `--schema=${name}`),
    ...tables.map((name) => `--table=${name}`),
    ...excludeTables.map((name) => `--exclude-table=${name}`),
    ...(schemas.length + tables.length > 0 ? ['--strict-names'] : []),
  ]
}

/** As pg_dump decides: named tables win over named schemas, exclusion over both. */
export function selected({ schemas = [], tables = [], excludeTables = [] }: Selection, values: string[]): string {
  const any = (patterns: readonly string[], one: (pattern: string) => string) => `(${patterns.map(one).join(' or ')})`
  const table = (pattern: string) => tablePattern(pattern, values)
  const schema = (pattern: string) => matches('n.nspname', patternParts(pattern).at(-1) ?? '', values)
  const wanted = tables.length > 0 ? any(tables, table) : schemas.length > 0 ? any(schemas, schema) : 'true'
  return excludeTables.length > 0 ? `${wanted} and not ${any(excludeTables, table)}` : wanted
}

function tablePattern(pattern: string, values: string[]): string {
  const parts = patternParts(pattern)
  const name = matches('c.relname', parts.at(-1) ?? '', values)
  const schema = parts.at(-2)
  return `(${schema === undefined ? 'pg_catalog.pg_table_is_visible(c.oid)' : matches('n.nspname', schema, values)} and ${name})`
}

function matches(column: string, expression: string, values: string[]): string {
  values.push(`^(${expression})$`)
  return `${column} operator(pg_catalog.~) $${values.length} collate pg_catalog.default`
}

/** psql's patterns as regular expressions: lower case outside quotes, `*` and `?`, dots between the parts. */
function patternParts(pattern: string): string[] {
  const parts = ['']
  let quoted = false
  const add = (text: string) => {
    parts[parts.length - 1] += text
  }
  for (const letter of pattern) {
    if (letter === '"') quoted = !quoted
    else if (quoted) add(letter.replace(/[|*+?()[\]{}.^$\\]/, '\\$&'))
    else if (letter === '.') parts.push('')
    else add({ '*': '.*', '?': '.', $: '\\$' }[letter] ?? letter.toLowerCase())
  }
  return parts
}
