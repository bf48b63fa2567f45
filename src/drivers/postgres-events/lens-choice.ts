/** Which lenses of a point go into a live database, and whether they can. */
import { HoldfastError } from '../../core/errors.ts'
import type { Artifact, Manifest } from '../../core/records.ts'
import type { RestoreChoice } from '../driver.ts'
import type { Client } from '../postgres-common/connect.ts'
import { relationsOf } from '../postgres-common/relations.ts'
import type { EventsSourceConfig } from './config.ts'
import { sizeOf } from './log.ts'
import { tablesIn } from './names.ts'
import { recordedWatermark } from './watermarks.ts'

export type Mode = NonNullable<RestoreChoice['mode']>

export interface LensTable {
  /** As SQL. */
  name: string
  key?: { constraint: string; columns: string[] }
}

export interface ChosenLens {
  lens: string
  projector: string
  artifact: Artifact
  /** Those of the live database. */
  tables: LensTable[]
  views: string[]
}

/** Throws INPUT_INVALID, SOURCE_UNFIT. */
export async function chooseLenses(
  client: Client,
  config: EventsSourceConfig,
  manifest: Manifest,
  parts: readonly string[],
): Promise<ChosenLens[]> {
  const chosen: ChosenLens[] = []
  for (const lens of new Set(parts)) chosen.push(await chooseLens(client, config, manifest, lens))
  return chosen
}

async function chooseLens(client: Client, config: EventsSourceConfig, manifest: Manifest, lens: string): Promise<ChosenLens> {
  const object = `${manifest.source}/${manifest.id}`
  const projector = config.lenses[lens]?.projector
  if (projector === undefined)
    throw new HoldfastError('INPUT_INVALID', `"${lens}" is no lens of ${manifest.source}`, {
      object: lens,
      next: `name one of ${Object.keys(config.lenses).join(', ')}; the other parts come with the whole point`,
    })
  const artifact = manifest.artifacts.find((one) => one.role === 'lens' && one.part === lens)
  if (!artifact)
    throw new HoldfastError('SOURCE_UNFIT', `${object} has no part ${lens}`, {
      object,
      next: 'choose another recovery point, or have the lens built anew',
    })
  const relations = await relationsOf(client, { schemas: [`"${lens}"`] })
  const missing = tablesIn(lens, Object.keys(manifest.content?.tables ?? {})).filter((name) => !relations.some((one) => one.name === name))
  if (relations.length === 0 || missing.length > 0)
    throw new HoldfastError(
      'SOURCE_UNFIT',
      `the live database has no ${missing.join(', ') || `tables in ${lens}`}: a part holds rows and no definitions`,
      { object: lens, next: 'make the tables as the part schema of the point has them, or restore the whole point' },
    )
  const tables: LensTable[] = []
  for (const { name, kind } of relations.toSorted((a, b) => (a.name < b.name ? -1 : 1)))
    if (kind === 'table') tables.push({ name, ...(await keyOf(client, name)) })
  return { lens, projector, artifact, tables, views: relations.filter(({ kind }) => kind !== 'table').map(({ name }) => name) }
}

async function keyOf(client: Client, table: string): Promise<Pick<LensTable, 'key'>> {
  const { rows } = await client.query<{ constraint: string; columns: string[] }>(
    `select quote_ident(c.conname) as constraint, array(select quote_ident(a.attname) from unnest(c.conkey) k join pg_attribute a on (a.attrelid, a.attnum) = (c.conrelid, k)) as columns
     from pg_constraint c where c.conrelid = $1::regclass and c.contype = 'p'`,
    [table],
  )
  return rows[0] ? { key: rows[0] } : {}
}

/** Throws SOURCE_UNFIT with what stands in the way of this mode. */
export async function requireLoadable(
  client: Client,
  config: EventsSourceConfig,
  manifest: Manifest,
  lenses: readonly ChosenLens[],
  mode: Mode,
): Promise<void> {
  const tables = lenses.flatMap((lens) => lens.tables)
  if (mode === 'empty') {
    const full: string[] = []
    for (const { name } of tables) if ((await client.query(`select from ${name} limit 1`)).rowCount) full.push(name)
    if (full.length > 0) throw unfit(lenses, `not empty: ${full.join(', ')}`, 'choose --mode replace or upsert, or empty them first')
  }
  const keyless = tables.filter(({ key }) => !key).map(({ name }) => name)
  if (mode === 'upsert' && keyless.length > 0)
    throw unfit(lenses, `without a primary key: ${keyless.join(', ')}`, 'choose --mode replace or empty')
  const referring = mode === 'replace' ? await referringFrom(client, tables) : []
  if (referring.length > 0) throw unfit(lenses, `referred to from elsewhere: ${referring.join(', ')}`, 'choose --mode upsert')
  const { max } = await sizeOf(client, config.events)
  for (const { lens, projector } of lenses) {
    const seen = recordedWatermark(manifest, projector)
    if (seen !== undefined && seen > max)
      throw unfit(
        lenses,
        `${lens} has seen events up to ${seen}, and the live log ends at ${max}`,
        'choose an earlier recovery point, or have the lens built anew',
      )
  }
}

function unfit(lenses: readonly ChosenLens[], message: string, next: string): HoldfastError {
  return new HoldfastError('SOURCE_UNFIT', message, { object: lenses.map(({ lens }) => lens).join(', '), next })
}

/** Truncated with cascade, those would be emptied too, unsaid. */
async function referringFrom(client: Client, tables: readonly LensTable[]): Promise<string[]> {
  const { rows } = await client.query<{ one: string }>(
    `select distinct format('%s by %s', c.confrelid::regclass, c.conrelid::regclass) as one from pg_constraint c
     where c.contype = 'f' and c.confrelid = any($1::regclass[]::oid[]) and c.conrelid <> all($1::regclass[]::oid[])`,
    [tables.map(({ name }) => name)],
  )
  return rows.map(({ one }) => one)
}
