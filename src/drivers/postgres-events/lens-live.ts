/** Single lenses restored from their parts into the live database, beside everything else that goes on there. */
import type { Manifest } from '../../core/records.ts'
import type { Filling, RestoreChoice, Swapped } from '../driver.ts'
import { withClient } from '../postgres-common/connect.ts'
import { contentOf } from '../postgres-common/content.ts'
import { requireDatabase } from '../postgres-logical/live.ts'
import type { EventsSourceConfig } from './config.ts'
import { type ChosenLens, chooseLenses, type Mode, requireLoadable } from './lens-choice.ts'
import { loadLenses, watermarksPart } from './lens-load.ts'
import { recordedLog } from './log.ts'
import { recordedWatermark } from './watermarks.ts'

export async function checkLenses(
  config: EventsSourceConfig,
  connection: string,
  manifest: Manifest,
  confirm: string,
  { parts = [], mode = 'empty' }: RestoreChoice,
): Promise<void> {
  await requireDatabase(connection, manifest, confirm)
  watermarksPart(manifest)
  await withClient(connection, {}, async (client) =>
    requireLoadable(client, config, manifest, await chooseLenses(client, config, manifest, parts), mode),
  )
}

/** Nothing is made beside: one transaction either has it all or leaves everything as it was. */
export function lensesAside(manifest: Manifest, parts: readonly string[]): { database: string; bytes: number } {
  const chosen = manifest.artifacts.filter(({ part }) => parts.includes(part))
  return { database: parts.join(', '), bytes: chosen.reduce((sum, { storedBytes }) => sum + storedBytes, 0) }
}

export async function swapLenses(
  config: EventsSourceConfig,
  connection: string,
  manifest: Manifest,
  confirm: string,
  { context, source, choice: { parts = [], mode = 'empty' } }: Filling,
): Promise<Swapped> {
  await requireDatabase(connection, manifest, confirm)
  const { lenses, loaded } = await withClient(connection, {}, async (client) => {
    const chosen = await chooseLenses(client, config, manifest, parts)
    const done = mode === 'empty' && (await isLoaded(connection, manifest, chosen))
    if (!done) await requireLoadable(client, config, manifest, chosen, mode)
    return { lenses: chosen, loaded: done }
  })
  context.onProgress({ phase: 'load' })
  if (!loaded) await loadLenses({ config, connection, manifest, source, lenses, mode, signal: context.signal })
  return { database: parts.join(', '), notes: lenses.map((lens) => noteOf(lens, manifest, mode)) }
}

/** By a try before this one, whose answer was lost: there are rows, and they are those of the point. */
async function isLoaded(connection: string, manifest: Manifest, lenses: readonly ChosenLens[]): Promise<boolean> {
  const names = lenses.flatMap(({ tables }) => tables.map(({ name }) => name))
  const { tables } = await withClient(connection, {}, async (client) => {
    await client.query('begin transaction isolation level repeatable read read only')
    return contentOf(client, { carried: 'logical', sequences: false, tables: ({ name }) => names.includes(name) })
  })
  const equal = names.every((name) => tables[name]?.digest === (manifest.content?.tables[name]?.digest ?? '0'))
  return equal && names.some((name) => (tables[name]?.rows ?? 0) > 0)
}

function noteOf({ lens, projector }: ChosenLens, manifest: Manifest, mode: Mode): string {
  const seen = recordedWatermark(manifest, projector)
  const { settled } = recordedLog(manifest)
  const held = seen !== undefined && seen > settled
  const from = held ? `${settled}, before what was in flight` : (seen ?? 'the beginning')
  return mode === 'upsert'
    ? `${lens} has the rows of the point over those that were there; ${projector} goes on from ${from}, or from where it was before that`
    : `${lens} is as it was in the point; ${projector} goes on from ${from}`
}
