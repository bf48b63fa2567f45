/** How far each projector has seen the log. */
import type { Inventory, Manifest } from '../../core/records.ts'
import type { Client } from '../postgres-common/connect.ts'
import type { EventsConfig } from './config.ts'
import { quoted } from './names.ts'

/** Per projector the lowest and the highest of its watermarks: it may have one for each world. */
export async function watermarksOf(client: Client, { watermarks }: EventsConfig): Promise<Inventory> {
  const { table, projector, sequence } = watermarks
  const { rows } = await client.query<{ projector: string; rows: string; least: string; most: string }>(
    `select ${quoted(projector)}::text as projector, count(*)::text as rows, min(${quoted(sequence)})::text as least, max(${quoted(sequence)})::text as most
     from ${quoted(table)} group by 1 order by 1`,
  )
  return Object.fromEntries(rows.map((row) => [keyOf(row.projector), { rows: Number(row.rows), least: row.least, most: row.most }]))
}

const keyOf = (projector: string) => `watermark ${projector}`

/** The highest of a projector at the moment of the point; undefined where it had none. */
export function recordedWatermark(manifest: Manifest, projector: string): bigint | undefined {
  const most = manifest.inventory?.[keyOf(projector)]?.['most']
  return most === undefined ? undefined : BigInt(most)
}
