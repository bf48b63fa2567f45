/** An event store as it was when an event was its last: the events after it leave, and with them all that knows of them. */
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { type Client, withClient } from '../postgres-common/connect.ts'
import { relationsOf } from '../postgres-common/relations.ts'
import type { EventsSourceConfig } from './config.ts'
import { recordedLog, sizeOf } from './log.ts'
import { quoted, tablesIn } from './names.ts'
import { withoutTriggers } from './triggers.ts'
import { coherence } from './verify.ts'
import { recordedWatermark } from './watermarks.ts'

/** Throws TARGET_OUT_OF_RANGE where an event up to this one may still have come after the point. */
export function requireSettled(manifest: Manifest, sequence: number): void {
  const object = `${manifest.source}/${manifest.id}`
  if (manifest.adopted)
    throw new HoldfastError(
      'TARGET_OUT_OF_RANGE',
      `${object} cannot be brought to event ${sequence}: it was adopted, and nobody recorded up to which event its log is settled`,
      {
        object,
        next: 'restore it whole, or choose a point that Holdfast took',
      },
    )
  const { max, settled, inFlightNumbers } = recordedLog(manifest)
  if (BigInt(sequence) <= settled) return
  const why =
    settled < max
      ? `its log goes to ${max} and is settled to ${settled} only: ${inFlightNumbers} may have come later`
      : `its log ends at ${max}, and what came later is not in it`
  throw new HoldfastError('TARGET_OUT_OF_RANGE', `${object} cannot be brought to event ${sequence}: ${why}`, {
    object,
    next: `choose a later recovery point, or an event up to ${settled}`,
  })
}

/** What of a lens has seen events that leave: its contents cannot be cut, only projected anew. */
export interface AheadLens {
  lens: string
  projector: string
  /** Not known of a projector without a watermark. */
  seen?: bigint
  projection?: string
}

export function lensesAhead(config: EventsSourceConfig, manifest: Manifest, sequence: number): AheadLens[] {
  return Object.entries(config.lenses).flatMap(([lens, { projector, projection }]) => {
    const seen = recordedWatermark(manifest, projector)
    const ahead = seen === undefined ? rowsIn(lens, manifest) > 0 : seen > BigInt(sequence)
    return ahead ? [{ lens, projector, ...(seen !== undefined && { seen }), ...(projection !== undefined && { projection }) }] : []
  })
}

function rowsIn(lens: string, { content }: Manifest): number {
  const tables = content?.tables ?? {}
  return tablesIn(lens, Object.keys(tables)).reduce((sum, table) => sum + (tables[table]?.rows ?? 0), 0)
}

/** All in one transaction. The sequence stays where it is: no number is given twice. */
export async function cutTo(config: EventsSourceConfig, connection: string, manifest: Manifest, sequence: number): Promise<void> {
  requireSettled(manifest, sequence)
  const ahead = lensesAhead(config, manifest, sequence)
  await withClient(connection, {}, async (client) => {
    await client.query('begin; set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0')
    const lenses =
      ahead.length > 0
        ? (await relationsOf(client, { schemas: ahead.map(({ lens }) => `"${lens}"`) })).filter(({ kind }) => kind === 'table')
        : []
    const { events } = config
    const { outbox, watermarks } = events
    const triggers = await withoutTriggers(client, [
      ...[events.table, outbox.table, watermarks.table].map(quoted),
      ...lenses.map(({ name }) => name),
    ])
    await client.query(triggers.off)
    try {
      // Without cascade: what else hangs on a lens is not to be emptied unsaid.
      if (lenses.length > 0) await client.query(`truncate ${lenses.map(({ name }) => name).join(', ')}`)
      const mark = quoted(watermarks.sequence)
      await client.query(`update ${quoted(watermarks.table)} set ${mark} = 0 where ${quoted(watermarks.projector)}::text = any($1)`, [
        ahead.map(({ projector }) => projector),
      ])
      await client.query(`update ${quoted(watermarks.table)} set ${mark} = $1 where ${mark} > $1`, [sequence])
      await client.query(`delete from ${quoted(outbox.table)} where ${quoted(outbox.sequence)} > $1`, [sequence])
      await client.query(`delete from ${quoted(events.table)} where ${quoted(events.sequence)} > $1`, [sequence])
    } catch (error) {
      throw new HoldfastError('SOURCE_UNFIT', `the events after ${sequence} cannot be taken out: ${messageOf(error)}`, {
        object: events.table,
        cause: error,
        next: 'restore the point beside without a sequence, and look at what refers to these events',
      })
    }
    await client.query(triggers.on)
    await requireCoherent(client, config)
    await client.query('commit')
    for (const { name } of lenses) await client.query(`analyze ${name}`)
  })
}

async function requireCoherent(client: Client, config: EventsSourceConfig): Promise<void> {
  const { max } = await sizeOf(client, config.events)
  const red = (await coherence(client, config, max)).filter(({ ok }) => !ok)
  if (red.length === 0) return
  throw new HoldfastError(
    'VERIFY_FAILED',
    red.map(({ name, expected, actual }) => `${name}: expected ${expected}, found ${actual}`).join('; '),
    {
      object: config.events.table,
    },
  )
}

/** For the operator: what has to be built anew, and what else has seen events that are gone. */
export function cutNotes(config: EventsSourceConfig, manifest: Manifest, sequence: number): string[] {
  const ahead = lensesAhead(config, manifest, sequence)
  const own = new Set(Object.values(config.lenses).map(({ projector }) => projector))
  const others = Object.keys(manifest.inventory ?? {})
    .flatMap((key) => /^watermark (.*)$/s.exec(key)?.[1] ?? [])
    .filter((projector) => !own.has(projector) && (recordedWatermark(manifest, projector) ?? 0n) > BigInt(sequence))
  return [
    ...ahead.map(
      ({ lens, projector, seen, projection }) =>
        `${lens} had seen events ${seen === undefined ? 'that its watermark does not tell' : `up to ${seen}`}: it is empty and the watermark of ${projector} is 0; ${projection === undefined ? 'have its projector build it anew' : `holdfast rebuild ${projection} --set from_global_seq=0 --set world_id=all`}`,
    ),
    ...others.map((projector) => `${projector} is set back to ${sequence}; what it keeps elsewhere has seen events that are gone`),
    `no number is given twice: the next event comes after those that were taken out`,
  ]
}
