/** Tables of a recovered copy: what they hold, and by which key the live database would know one of their rows again. */
import { type Client, withClient } from './connect.ts'

export interface CopiedTable {
  /** `schema.table`, quoted where SQL needs it. */
  name: string
  /** Quoted where SQL needs it. */
  schema: string
  /** As it is, without quotes. */
  table: string
  rows: number
  partitioned: boolean
  /** The table and what inherits from it: rows of a partitioned table lie in its partitions. */
  tree: string[]
  /** Names and types of its columns, as CREATE TABLE takes them. */
  columns: string
  /** Columns, quoted where SQL needs it, of a key that the live table has, too; undefined where a row cannot be known again. */
  key: string[] | undefined
  /** Sequences that its columns own, and how far they had come. */
  sequences: { name: string; last: string | null }[]
  /** Triggers of the live table that fire when rows come in, by name. */
  triggers: string[]
  /** Rules of the live table with which it takes no INSERT … ON CONFLICT, by name. */
  rules: string[]
  /** Foreign keys of other tables and views that are gone where this one was dropped with CASCADE. */
  dependents: string[]
}

/** What decides how rows can come into a table. */
interface Inlet {
  keys: string[][]
  triggers: string[]
  rules: string[]
}

interface Found {
  oid: string
  name: string
  schema: string
  table: string
  partitioned: boolean
}

const TABLES = `select c.oid::text, format('%I.%I', n.nspname, c.relname) as name, quote_ident(n.nspname) as schema, c.relname as table,
    c.relkind = 'p' as partitioned
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p')`

/** The tables with these names, without names every user table; `missing` are names that no table has. */
export async function lookAtCopy(
  copy: string,
  live: string,
  names: readonly string[],
): Promise<{ tables: CopiedTable[]; missing: string[] }> {
  return withClient(copy, {}, async (client) => {
    const found: Found[] = names.length > 0 ? [] : await userTables(client)
    const missing: string[] = []
    for (const name of names) {
      const table = await tableCalled(client, name)
      if (!table) missing.push(name)
      else if (!found.some(({ oid }) => oid === table.oid)) found.push(table)
    }
    // Types of other schemas are written with their schema only where the search path does not find them.
    await client.query(`select pg_catalog.set_config('search_path', '', false)`)
    const inlets = await inletsOfLive(live, found)
    const tables: CopiedTable[] = []
    for (const table of found) tables.push(await lookAt(client, table, inlets.get(table.name)))
    return { tables, missing }
  })
}

async function userTables(client: Client): Promise<Found[]> {
  const { rows } = await client.query<Found>(
    `${TABLES} and not c.relispartition and c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' order by 2`,
  )
  return rows
}

/** A name that is none (three dots, an open quote) is one that no table has: a recovery does not end for that. */
async function tableCalled(client: Client, name: string): Promise<Found | undefined> {
  try {
    return (await client.query<Found>(`${TABLES} and c.oid = to_regclass($1)`, [name])).rows[0]
  } catch (error) {
    if (['42601', '42602', '0A000'].includes(String((error as { code?: string }).code))) return undefined
    throw error
  }
}

async function lookAt(client: Client, { oid, ...table }: Found, live: Inlet | undefined): Promise<CopiedTable> {
  const own = await inletOf(client, oid)
  const { keys, triggers, rules } = live ?? own
  const isLive = (key: string[]) => keys.some((other) => other.join('\0') === key.join('\0'))
  const [about] = (await client.query(ABOUT, [oid])).rows as [Pick<CopiedTable, 'columns' | 'tree' | 'sequences' | 'dependents'>]
  const [{ rows }] = (await client.query(`select count(*)::text as rows from ${table.name}`)).rows as [{ rows: string }]
  return { ...table, ...about, rows: Number(rows), key: own.keys.find(isLive), triggers, rules }
}

/**
 * How the live database takes rows of these tables, by name. Empty where it cannot be asked: then the copy's own serves,
 * and the command that is made looks for itself.
 */
async function inletsOfLive(live: string, tables: readonly Found[]): Promise<Map<string, Inlet>> {
  const inlets = new Map<string, Inlet>()
  try {
    await withClient(live, { timeoutMs: 5_000 }, async (client) => {
      for (const { name } of tables) {
        const table = await tableCalled(client, name)
        if (table) inlets.set(name, await inletOf(client, table.oid))
      }
    })
  } catch {
    return new Map()
  }
  return inlets
}

async function inletOf(client: Client, oid: string): Promise<Inlet> {
  const { rows } = await client.query<Omit<Inlet, 'keys'>>(HURDLES, [oid])
  return { keys: await keysOf(client, oid), triggers: rows[0]?.triggers ?? [], rules: rows[0]?.rules ?? [] }
}

/**
 * Columns of each key by which ON CONFLICT DO NOTHING tells a row that is there, the primary key first. No key is what lets
 * a row in twice: a part of the rows, an expression, a column that may be null. Of a deferrable one ON CONFLICT takes no
 * notice but an error, and a key does not reach into tables that inherit, unless they are partitions.
 */
async function keysOf(client: Client, oid: string): Promise<string[][]> {
  const { rows } = await client.query<{ columns: string[] }>(
    `select array_agg(quote_ident(a.attname) order by a.attname::text) as columns
     from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indrelid
       join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
     where c.oid = $1 and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
       and not exists (select from pg_catalog.pg_index d where d.indrelid = c.oid and not d.indimmediate)
       and (c.relkind = 'p' or not exists (select from pg_catalog.pg_inherits h where h.inhparent = c.oid))
     group by i.indexrelid, i.indisprimary, to_jsonb(i) ->> 'indnullsnotdistinct'
     having bool_and(a.attnotnull) or to_jsonb(i) ->> 'indnullsnotdistinct' = 'true'
     order by i.indisprimary desc, i.indexrelid`,
    [oid],
  )
  return rows.map(({ columns }) => columns)
}

const TREE = `with recursive tree (oid, depth) as (
    select $1::oid, 0 union select h.inhrelid, tree.depth + 1 from tree join pg_catalog.pg_inherits h on h.inhparent = tree.oid
  )`

/** ON CONFLICT is refused for a rule ON UPDATE even where it is disabled. A partition has its triggers, its rules do not matter. */
const HURDLES = `${TREE}
  select
    (select array_agg(distinct quote_ident(t.tgname) || case t.tgenabled when 'A' then ' (ENABLE ALWAYS)' else '' end)
     from pg_catalog.pg_trigger t where t.tgrelid in (select oid from tree) and not t.tgisinternal
       and t.tgenabled in ('O', 'A') and t.tgtype & 4 <> 0) as triggers,
    (select array_agg(quote_ident(w.rulename) order by w.rulename) from pg_catalog.pg_rewrite w
     where w.ev_class = $1 and (w.ev_type = '2' or w.ev_type = '3' and w.ev_enabled in ('O', 'A'))) as rules`

const ABOUT = `${TREE}, views (oid) as (
    select oid from tree union select w.ev_class from views
      join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = views.oid
        and d.classid = 'pg_catalog.pg_rewrite'::regclass
      join pg_catalog.pg_rewrite w on w.oid = d.objid join pg_catalog.pg_class v on v.oid = w.ev_class and v.relkind in ('v', 'm')
  )
  select
    (select json_agg(format('%I.%I', n.nspname, c.relname) order by tree.depth, c.relname)
     from tree join pg_catalog.pg_class c on c.oid = tree.oid join pg_catalog.pg_namespace n on n.oid = c.relnamespace) as tree,
    coalesce((select string_agg(format('%I %s', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod))
         || case when l.oid is null then '' else format(' collate %I.%I', ln.nspname, l.collname) end, ', ' order by a.attnum)
     from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
       left join pg_catalog.pg_collation l on l.oid = a.attcollation and l.oid <> t.typcollation
       left join pg_catalog.pg_namespace ln on ln.oid = l.collnamespace
     where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped), '') as columns,
    coalesce((select json_agg(json_build_object('name', format('%I.%I', n.nspname, q.relname),
         'last', case when s.seqincrement > 0 then pg_catalog.pg_sequence_last_value(q.oid)::text end) order by q.relname)
     from pg_catalog.pg_depend d join pg_catalog.pg_class q on q.oid = d.objid join pg_catalog.pg_sequence s on s.seqrelid = q.oid
       join pg_catalog.pg_namespace n on n.oid = q.relnamespace
     where d.classid = 'pg_catalog.pg_class'::regclass and d.refclassid = 'pg_catalog.pg_class'::regclass
       and d.refobjid in (select oid from tree) and d.refobjsubid > 0 and d.deptype in ('a', 'i')), '[]') as sequences,
    array(select format('%I on %s', k.conname, k.conrelid::regclass) from pg_catalog.pg_constraint k
       where k.contype = 'f' and k.conparentid = 0 and k.confrelid in (select oid from tree) and k.conrelid not in (select oid from tree)
       order by 1)
     || array(select oid::regclass::text from views where oid not in (select oid from tree) order by 1) as dependents`
