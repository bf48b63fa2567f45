/** The event log as a snapshot has it: how far it goes, how far it is settled, what may still come in between. */
import type { Inventory, Manifest } from '../../core/records.ts'
import { HoldfastError } from '../../core/errors.ts'
import type { Client } from '../postgres-common/connect.ts'
import type { EventsConfig } from './config.ts'
import type { Horizon } from './horizon.ts'
import { quoted } from './names.ts'

/** Numbers from and to, both missing. */
export interface Hole {
  from: bigint
  to: bigint
}

export interface EventLog {
  events: number
  max: bigint
  /** Everything up to here is there, or never will be. */
  settled: bigint
  settledEvents: number
  /** Missing below `max`, by transactions that may commit after the snapshot. */
  inFlight: Hole[]
}

export async function logOf(client: Client, events: EventsConfig, horizon: Horizon): Promise<EventLog> {
  const { count, max } = await sizeOf(client, events)
  // What nobody holds any more is no hole that could be filled.
  const from = horizon.unsure === undefined ? horizon.upTo + 1n : horizon.start
  const inFlight = await holesOf(client, events, from)
  const settled = inFlight[0] ? inFlight[0].from - 1n : max
  return { events: count, max, settled, settledEvents: await countTo(client, events, settled), inFlight }
}

export async function sizeOf(client: Client, { table, sequence }: EventsConfig): Promise<{ count: number; max: bigint }> {
  const { rows } = await client.query<{ count: string; max: string }>(
    `select count(*)::text as count, coalesce(max(${quoted(sequence)}), 0)::text as max from ${quoted(table)}`,
  )
  return { count: Number(rows[0]?.count), max: BigInt(rows[0]?.max ?? 0) }
}

export async function countTo(client: Client, { table, sequence }: EventsConfig, to: bigint): Promise<number> {
  const { rows } = await client.query<{ count: string }>(
    `select count(*)::text as count from ${quoted(table)} where ${quoted(sequence)} <= $1`,
    [String(to)],
  )
  return Number(rows[0]?.count)
}

/** Missing numbers from `from` up to the highest that is there. */
async function holesOf(client: Client, { table, sequence }: EventsConfig, from: bigint): Promise<Hole[]> {
  const column = quoted(sequence)
  const { rows } = await client.query<{ from: string; to: string }>(
    `select (before + 1)::text as from, (number - 1)::text as to from (
       select ${column} as number, coalesce(lag(${column}) over (order by ${column}), $1::bigint - 1) as before
       from ${quoted(table)} where ${column} >= $1) as numbered
     where number > before + 1 order by number`,
    [String(from)],
  )
  return rows.map((row) => ({ from: BigInt(row.from), to: BigInt(row.to) }))
}

const KEY = 'event log'
const LONGEST = 50

/** For the manifest: the first holes only, which is all that matters for what is settled. */
export function describeLog({ events, max, settled, settledEvents, inFlight }: EventLog): Inventory {
  const shown = inFlight.slice(0, LONGEST).map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`))
  return {
    [KEY]: {
      events,
      maxSequence: String(max),
      settledTo: String(settled),
      settledEvents,
      inFlight: Number(inFlight.reduce((sum, { from, to }) => sum + to - from + 1n, 0n)),
      ...(shown.length > 0 && { inFlightNumbers: `${shown.join(', ')}${inFlight.length > LONGEST ? ', …' : ''}` }),
    },
  }
}

export interface RecordedLog {
  events: number
  max: bigint
  settled: bigint
  settledEvents: number
  inFlightNumbers: string
}

/** What the manifest says. Throws INTEGRITY where it says nothing. */
export function recordedLog(manifest: Manifest): RecordedLog {
  const log = manifest.inventory?.[KEY]
  const object = `${manifest.source}/${manifest.id}`
  if (!log) throw new HoldfastError('INTEGRITY', `the manifest of ${object} does not describe its event log`, { object })
  return {
    events: Number(log['events']),
    max: BigInt(log['maxSequence'] ?? 0),
    settled: BigInt(log['settledTo'] ?? 0),
    settledEvents: Number(log['settledEvents']),
    inFlightNumbers: String(log['inFlightNumbers'] ?? ''),
  }
}
