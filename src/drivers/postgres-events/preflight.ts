/** Whether a capture of this event store can succeed, and what of it is as it is configured. Changes nothing. */
import type { DriverContext, Preflight } from '../driver.ts'
import { type Client, withClient } from '../postgres-common/connect.ts'
import { preflight as preflightLogical } from '../postgres-logical/preflight.ts'
import { type EventsSourceConfig, logicalOf } from './config.ts'
import { sequenceOf } from './horizon.ts'
import { quoted } from './names.ts'

type Found = Preflight['findings'][number]

export async function preflight(config: EventsSourceConfig, connection: string, context: DriverContext): Promise<Preflight> {
  const found = await preflightLogical(logicalOf(config), connection, context)
  const own = await withClient(connection, {}, async (client) => [
    wholeFinding(config),
    ...(await eventFindings(client, config)),
    await lensFinding(client, config),
  ])
  return { ...found, findings: [...found.findings.filter(({ name }) => name !== 'parts'), ...own] }
}

function wholeFinding({ parts }: EventsSourceConfig): Found {
  const ok = parts.includes('database') || parts.includes('plain')
  const detail = ok ? parts.join(', ') : `${parts.join(', ')} cannot be restored alone`
  return { name: 'parts', ok, required: true, detail, next: 'add database, or plain, to the parts of the source' }
}

async function eventFindings(client: Client, { events }: EventsSourceConfig): Promise<Found[]> {
  const { outbox, watermarks } = events
  const wanted: [string, string[]][] = [
    [events.table, [events.sequence]],
    [outbox.table, [outbox.sequence]],
    [watermarks.table, [watermarks.projector, watermarks.sequence]],
  ]
  const missing: string[] = []
  for (const [table, columns] of wanted)
    for (const column of columns) if (!(await hasColumn(client, table, column))) missing.push(`${table}.${column}`)
  const tables: Found = {
    name: 'events',
    ok: missing.length === 0,
    required: true,
    detail: missing.length === 0 ? wanted.map(([table]) => table).join(', ') : `there is no ${missing.join(', ')}`,
    next: 'correct events of the source in holdfast.yaml',
  }
  return missing.length > 0 ? [tables] : [tables, await sequenceFinding(client, events)]
}

async function hasColumn(client: Client, table: string, column: string): Promise<boolean> {
  const { rowCount } = await client.query(
    'select from pg_attribute where attrelid = to_regclass($1) and attname = $2 and attnum > 0 and not attisdropped',
    [quoted(table), column],
  )
  return rowCount === 1
}

async function sequenceFinding(client: Client, events: EventsSourceConfig['events']): Promise<Found> {
  const sequence = await sequenceOf(client, events)
  const ok = sequence?.cache === '1' && sequence.increment === '1'
  return {
    name: 'sequence',
    ok,
    required: false,
    detail: ok
      ? 'numbers are given one by one'
      : 'who has taken a number of an event and not committed cannot be known: every hole counts as one that may be filled',
    next: `give ${events.table}.${events.sequence} a sequence with cache 1 and increment 1`,
  }
}

async function lensFinding(client: Client, { lenses }: EventsSourceConfig): Promise<Found> {
  const { rows } = await client.query<{ lens: string }>(
    'select lens from unnest($1::text[]) lens where not exists (select from pg_namespace where nspname = lens)',
    [Object.keys(lenses)],
  )
  const missing = rows.map(({ lens }) => lens)
  return {
    name: 'lenses',
    ok: missing.length === 0,
    required: false,
    detail: missing.length === 0 ? Object.keys(lenses).join(', ') || 'none' : `there is no schema ${missing.join(', ')}`,
    next: 'name the schemas that there are under lenses of the source',
  }
}
