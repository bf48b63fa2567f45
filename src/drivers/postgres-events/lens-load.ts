/** Lenses loaded from their parts into the live database: all of them, with their watermarks, in one transaction or not at all. */
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { HoldfastError } from '../../core/errors.ts'
import type { Artifact, Manifest } from '../../core/records.ts'
import { startChain } from '../../process/chain.ts'
import type { Command } from '../../process/command.ts'
import type { ArtifactSource } from '../driver.ts'
import { pgEnvironment, withClient } from '../postgres-common/connect.ts'
import { holdsSql, settingsSql } from '../postgres-common/content.ts'
import { literal } from '../postgres-logical/facts.ts'
import type { EventsSourceConfig } from './config.ts'
import type { ChosenLens, Mode } from './lens-choice.ts'
import { recordedLog } from './log.ts'
import { quoted } from './names.ts'
import { type Rows, rowsOf } from './part-script.ts'
import { withoutTriggers } from './triggers.ts'

export interface LensLoad {
  config: EventsSourceConfig
  connection: string
  manifest: Manifest
  source: ArtifactSource
  lenses: ChosenLens[]
  mode: Mode
  signal: AbortSignal
}

export async function loadLenses(load: LensLoad): Promise<void> {
  const { config, connection, lenses, signal } = load
  const tables = lenses.flatMap((lens) => lens.tables)
  const triggers = await withClient(connection, {}, (client) =>
    withoutTriggers(client, [...tables.map(({ name }) => name), quoted(config.events.watermarks.table)]),
  )
  const script = Readable.from(scriptOf(load, triggers), { objectMode: false })
  const psql: Command = {
    program: join(config.binDir, 'psql'),
    args: ['-X', '-q', '-w', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-f', '-'],
    env: { ...pgEnvironment(connection), PGOPTIONS: '-c statement_timeout=0 -c idle_in_transaction_session_timeout=0 -c lock_timeout=60s' },
  }
  const chain = startChain([psql], { stdin: script, signal })
  for await (const _ of chain.stdout) void _
  await chain.done
}

async function* scriptOf(load: LensLoad, triggers: { off: string; on: string }): AsyncGenerator<string | Buffer> {
  const { config, manifest, source, lenses, mode } = load
  const tables = lenses.flatMap((lens) => lens.tables.map(({ name }) => name))
  yield `begin;\n${settingsSql()};\n`
  yield `lock table ${[...tables, quoted(config.events.watermarks.table)].join(', ')} in share row exclusive mode;\n`
  yield `${triggers.off};\n`
  if (mode === 'replace') yield `truncate ${tables.join(', ')};\n`
  if (mode === 'empty') for (const name of tables) yield refuseUnless(`not exists (select from ${name})`, `${name} is not empty`)
  for (const lens of lenses)
    yield* rowsOf(
      await source.read(lens.artifact),
      new Set(lens.tables.map(({ name }) => name)),
      mode === 'upsert' ? upserted(lens) : straight,
    )
  yield* rowsOf(await source.read(watermarksPart(manifest)), new Set([config.events.watermarks.table]), watermarkRows(load))
  // What came by an upsert stands beside what was there: nothing to compare it with.
  if (mode !== 'upsert')
    for (const name of tables) yield refuseUnless(holdsSql(name, manifest.content?.tables[name]), `${name} is not what the manifest says`)
  for (const view of lenses.flatMap(({ views }) => views)) yield `refresh materialized view ${view};\n`
  yield `${triggers.on};\ncommit;\n`
}

function refuseUnless(condition: string, message: string): string {
  return `do $holdfast$ begin if not (${condition}) then raise exception using message = ${literal(message)}; end if; end $holdfast$;\n`
}

const straight: Rows = {
  into: (table) => table,
  before: () => '',
  after: () => '',
  sequence: (name, value, called) => `select pg_catalog.setval('${name}', ${value}, ${called});`,
}

/** Beside the rows that are there, then over those with the same key. */
function upserted({ tables }: ChosenLens): Rows {
  const beside = (name: string) => `holdfast_${tables.findIndex((table) => table.name === name)}`
  return {
    into: (name) => `pg_temp.${beside(name)}`,
    before: (name) => `create temporary table ${beside(name)} (like ${name}) on commit drop;`,
    after(name, columns) {
      const key = tables.find((table) => table.name === name)?.key
      const list = columns.slice(1, -1)
      const set = list
        .split(', ')
        .filter((column) => !key?.columns.includes(column))
        .map((column) => `${column} = excluded.${column}`)
      const act = set.length > 0 ? `update set ${set.join(', ')}` : 'nothing'
      return `insert into ${name} ${columns} overriding system value select ${list} from pg_temp.${beside(name)} on conflict on constraint ${key?.constraint} do ${act};
drop table pg_temp.${beside(name)};`
    },
    // Never back: rows that are there already have numbers of their own.
    sequence: (name, value) =>
      `select pg_catalog.setval('${name}', greatest(${value}, (select last_value from ${name.replaceAll("''", "'")})), true);`,
  }
}

export function watermarksPart(manifest: Manifest): Artifact {
  const artifact = manifest.artifacts.find(({ role }) => role === 'watermarks')
  const object = `${manifest.source}/${manifest.id}`
  if (artifact) return artifact
  throw new HoldfastError('SOURCE_UNFIT', `${object} has no watermarks: nobody would know from where a lens goes on`, {
    object,
    next: 'add watermarks to the parts of the source, and restore the whole point or have the lens built anew',
  })
}

/**
 * Those of the projectors only, and none beyond what is settled: an event that was in flight below a watermark would
 * never be seen. After an upsert they go back and never on, since rows of then stand beside rows of now.
 */
function watermarkRows({ config, manifest, lenses, mode }: LensLoad): Rows {
  const { table, projector, sequence } = config.events.watermarks
  const [into, name, mark] = [quoted(table), quoted(projector), quoted(sequence)]
  const settled = recordedLog(manifest).settled
  const ours = `${name}::text in (${lenses.map((lens) => literal(lens.projector)).join(', ')})`
  const least = `(select min(p.${mark}) from pg_temp.holdfast_watermarks p where p.${name} = ${into}.${name})`
  return {
    into: () => 'pg_temp.holdfast_watermarks',
    before: () => `create temporary table holdfast_watermarks (like ${into}) on commit drop;`,
    after: (_, columns) =>
      mode === 'upsert'
        ? `update ${into} set ${mark} = least(${mark}, ${settled}, coalesce(${least}, 0)) where ${ours};`
        : `update pg_temp.holdfast_watermarks set ${mark} = ${settled} where ${mark} > ${settled};
delete from ${into} where ${ours};
insert into ${into} ${columns} overriding system value select ${columns.slice(1, -1)} from pg_temp.holdfast_watermarks where ${ours};`,
    sequence: () => '',
  }
}
