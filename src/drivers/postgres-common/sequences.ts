/** Sequences and where they stand. They live outside of snapshots: what is read here is the state of now. */
import type { Content } from '../../core/records.ts'
import type { Client } from './connect.ts'
import { selected, type Selection } from './relations.ts'

export interface Sequence {
  name: string
  increment: string
}

/** The sequences of the selection: one that a column owns goes with its table, as in pg_dump. */
export async function listSequences(client: Client, selection: Selection = {}): Promise<Sequence[]> {
  const values: string[] = []
  const { rows } = await client.query<Sequence>(
    `select format('%I.%I', qn.nspname, q.relname) as name, s.seqincrement::text as increment
     from pg_catalog.pg_sequence s
       join pg_catalog.pg_class q on q.oid = s.seqrelid
       join pg_catalog.pg_namespace qn on qn.oid = q.relnamespace
       left join pg_catalog.pg_depend owned on owned.classid = 'pg_catalog.pg_class'::regclass and owned.objid = q.oid and owned.objsubid = 0
         and owned.refclassid = 'pg_catalog.pg_class'::regclass and owned.refobjsubid > 0 and owned.deptype in ('a', 'i')
       join pg_catalog.pg_class c on c.oid = coalesce(owned.refobjid, q.oid)
       join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where q.relpersistence <> 't' and qn.nspname !~ '^pg_' and qn.nspname <> 'information_schema'
       and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::regclass and d.objid in (q.oid, c.oid) and d.deptype = 'e')
       and ${selected(selection, values)}
     order by 1`,
    values,
  )
  return rows
}

/** The same with where they stand now. */
export async function sequencesOf(client: Client, selection: Selection = {}): Promise<Content['sequences']> {
  return sequenceValues(client, await listSequences(client, selection))
}

const AT_ONCE = 200

/** Per sequence the value that the next nextval gives. */
export async function sequenceValues(client: Client, sequences: readonly Sequence[]): Promise<Content['sequences']> {
  const found: Content['sequences'] = {}
  for (let at = 0; at < sequences.length; at += AT_ONCE) {
    const some = sequences.slice(at, at + AT_ONCE)
    const { rows } = await client.query<{ index: number; next: string }>(
      some
        .map(
          ({ name, increment }, index) =>
            `select ${index} as index, (last_value::numeric + case when is_called then ${increment} else 0 end)::text as next from ${name}`,
        )
        .join(' union all '),
    )
    for (const { index, next } of rows) {
      const sequence = some[index]
      if (sequence) found[sequence.name] = { value: next, increment: sequence.increment }
    }
  }
  return found
}

/** The first reading, with the second beside it where a sequence moved in between. */
export function movedBetween(before: Content['sequences'], after: Content['sequences']): Content['sequences'] {
  return Object.fromEntries(
    Object.entries(before).map(([name, sequence]) => {
      const until = after[name]?.value
      return [name, until === undefined || until === sequence.value ? sequence : { ...sequence, until }]
    }),
  )
}
