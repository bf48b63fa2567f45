/**
 * Up to which number the order of events is settled. Sequences give numbers outside of transactions: one that took a
 * lower number may commit after one with a higher, so the highest number that is there is no boundary.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type Client, withClient } from '../postgres-common/connect.ts'
import type { EventsConfig } from './config.ts'
import { quoted } from './names.ts'

export interface Horizon {
  /** Every number up to this one is decided, unless somebody may still hold one: then none is known to be. */
  upTo: bigint
  /** The number that the sequence began with. */
  start: bigint
  /** Why a hole may be filled by somebody, whatever its number. */
  unsure?: string
}

export interface NumberSequence {
  oid: string
  cache: string
  increment: string
  start: string
}

/** The sequence that numbers the events: owned by the column, or named in its default. */
export async function sequenceOf(client: Client, { table, sequence }: EventsConfig): Promise<NumberSequence | undefined> {
  const { rows } = await client.query<NumberSequence>(
    `select s.seqrelid::text as oid, s.seqcache::text as cache, s.seqincrement::text as increment, s.seqstart::text as start
     from pg_sequence s where s.seqrelid = coalesce(
       pg_get_serial_sequence($1, $2)::regclass,
       (select d.refobjid from pg_attrdef f join pg_attribute a on (a.attrelid, a.attnum) = (f.adrelid, f.adnum)
          join pg_depend d on d.classid = 'pg_attrdef'::regclass and d.objid = f.oid and d.refclassid = 'pg_class'::regclass
          join pg_class c on c.oid = d.refobjid and c.relkind = 'S'
        where f.adrelid = $1::regclass and a.attname = $2))`,
    [quoted(table), sequence],
  )
  return rows[0]
}

/**
 * Asked before the snapshot is taken. Who calls nextval keeps a lock on the sequence to the end of its transaction: once
 * all who held one after the number was read are gone, that number and those below it are in the log or never will be.
 */
export async function horizonOf(
  connection: string,
  events: EventsConfig,
  { waitMs, signal }: { waitMs: number; signal: AbortSignal },
): Promise<Horizon> {
  return withClient(connection, {}, async (client) => {
    const sequence = await sequenceOf(client, events)
    const start = BigInt(sequence?.start ?? 1)
    const never = (unsure: string): Horizon => ({ upTo: 0n, start, unsure })
    if (!sequence) return never(`no sequence gives ${events.table}.${events.sequence} its numbers`)
    if (sequence.cache !== '1' || sequence.increment !== '1')
      return never('its sequence has a cache or an increment other than 1, so that sessions keep numbers for later')
    const { rows } = await client.query<{ replica: boolean; last: string }>(
      `select pg_is_in_recovery() as replica, pg_sequence_last_value($1::oid)::text as last`,
      [sequence.oid],
    )
    if (rows[0]?.replica) return never('a replica does not know who writes on its primary')
    // After the number: whoever took one before and has no lock now has ended.
    const first = await holders(client, sequence.oid, events)
    const until = Date.now() + waitMs
    let left = first
    while (left.length > 0 && Date.now() < until) {
      signal.throwIfAborted()
      await delay(50)
      const now = new Set((await holders(client, sequence.oid, events)).map(({ id }) => id))
      left = left.filter(({ id }) => now.has(id))
    }
    const upTo = BigInt(rows[0]?.last ?? 0)
    return left.length === 0 ? { upTo, start } : never(`${left.map(({ who }) => who).join(', ')} may have taken a number and not committed`)
  })
}

/** Also who gives a number of its own choice. */
async function holders(client: Client, sequence: string, { table }: EventsConfig): Promise<{ id: string; who: string }[]> {
  const { rows } = await client.query<{ id: string; who: string }>(
    `select distinct l.virtualtransaction as id,
       case when l.pid is null then 'a prepared transaction' else format('the session %s', l.pid) end || coalesce(' since ' || to_char(a.xact_start at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), '') as who
     from pg_locks l left join pg_stat_activity a on a.pid = l.pid
     where l.database = (select oid from pg_database where datname = current_database()) and l.granted and l.mode = 'RowExclusiveLock'
       and (l.relation = $1::oid or l.relation in (select $2::regclass::oid union select relid from pg_partition_tree($2::regclass)))`,
    [sequence, quoted(table)],
  )
  return rows
}
