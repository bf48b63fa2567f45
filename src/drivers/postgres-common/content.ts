/**
 * What a database holds, as numbers that two copies of it can be compared by: per table a row count and a digest that
 * does not depend on the order of rows, the sequences, the large objects, the definitions. Reads only.
 */
import type { Content } from '../../core/records.ts'
import type { Client } from './connect.ts'
import { type Relation, relationsOf, type Selection } from './relations.ts'
import { largeObjectsOf } from './large-objects.ts'
import { schemaHash, type SchemaOptions } from './schema-hash.ts'
import { listSequences, sequenceValues } from './sequences.ts'

export { sequencesOf } from './sequences.ts'

export interface ContentOptions {
  /** Of the whole database by default. */
  selection?: Selection
  /** `logical`: what pg_dump carries; `physical`, the default: all that survives in the files, so no unlogged tables. */
  carried?: 'logical' | 'physical'
  /** Narrows further. */
  tables?: (relation: Relation) => boolean
  /** `counts` leaves the digests of rows empty. */
  depth?: 'counts' | 'digests'
  /** False leaves the sequences out. */
  sequences?: boolean
  /** Where pg_dump gives the definitions from; without it their hash is empty. */
  schema?: Omit<SchemaOptions, 'selection' | 'signal'>
  /** Told of each relation that is left out although it was selected. */
  onLeftOut?(name: string, why: string): void
  onTable?(done: number, of: number): void
  signal?: AbortSignal
}

/** What makes equal values print equally, whatever server, role and database say. */
const SETTINGS: Record<string, string> = {
  extra_float_digits: '1',
  DateStyle: 'ISO, YMD',
  TimeZone: 'UTC',
  IntervalStyle: 'postgres',
  bytea_output: 'hex',
  lc_monetary: 'C',
  xmloption: 'content',
  xmlbinary: 'base64',
  search_path: 'pg_catalog',
  row_security: 'off',
  statement_timeout: '0',
  idle_in_transaction_session_timeout: '0',
}

/** Gives the session the settings that digests need, for as long as its transaction lasts. */
export async function pinSettings(client: Client): Promise<void> {
  const entries = Object.entries(SETTINGS)
  await client.query(
    `select ${entries.map((_, index) => `pg_catalog.set_config($${index * 2 + 1}, $${index * 2 + 2}, true)`).join(', ')}`,
    entries.flat(),
  )
}

/** The same as statements of a script. */
export function settingsSql(): string {
  return Object.entries(SETTINGS)
    .map(([name, value]) => `set local ${name} = ${name === 'search_path' ? value : `'${value}'`}`)
    .join('; ')
}

/** A condition, under these settings: whether the table holds just these rows; none where nothing is said of it. */
export function holdsSql(table: string, { rows, digest }: Content['tables'][string] = { rows: 0, digest: '0' }): string {
  return `(select count(*)::text || ' ' || ${DIGEST} from only ${table} as holdfast_row) = '${rows} ${digest}'`
}

/**
 * The content as these sessions see it, tables shared out among them. Each session is in a transaction of its own; for
 * one consistent answer they have the same snapshot (see withReaders).
 */
export async function contentOf(clients: Client | readonly Client[], options: ContentOptions = {}): Promise<Content> {
  const readers = Array.isArray(clients) ? (clients as readonly Client[]) : [clients as Client]
  const [first] = readers as readonly [Client, ...Client[]]
  // Selections see the user's own search path, so before it is pinned.
  const selectedRelations = await relationsOf(first, options.selection)
  const sequences = options.sequences === false ? [] : await listSequences(first, options.selection)
  for (const reader of readers) await pinSettings(reader)
  const relations = selectedRelations.filter((relation) => isCarried(relation, options) && (options.tables?.(relation) ?? true))
  const [tables, schema] = await Promise.all([
    tablesOf(readers, relations, options),
    options.schema
      ? schemaHash({ ...options.schema, selection: options.selection ?? {}, ...(options.signal ? { signal: options.signal } : {}) })
      : '',
  ])
  // pg_dump leaves large objects out of a selection.
  const whole = !options.selection?.tables?.length && !options.selection?.schemas?.length
  return {
    tables,
    sequences: await sequenceValues(first, sequences),
    largeObjects: whole ? await largeObjectsOf(first, options.depth) : { count: 0, digest: '' },
    schema,
  }
}

function isCarried(relation: Relation, { carried = 'physical', onLeftOut }: ContentOptions): boolean {
  if (!relation.populated) return false
  if (carried === 'physical' && relation.unlogged) {
    onLeftOut?.(relation.name, 'an unlogged table is empty after a recovery')
    return false
  }
  return carried === 'physical' || !relation.ofExtension
}

async function tablesOf(readers: readonly Client[], relations: Relation[], options: ContentOptions): Promise<Content['tables']> {
  const found: Content['tables'] = {}
  const queue = [...relations]
  const read = async (client: Client): Promise<void> => {
    for (let relation = queue.shift(); relation; relation = queue.shift()) {
      options.signal?.throwIfAborted()
      const content = await tableOf(client, relation, options.depth)
      // A dump carries the definition of a materialized view, not its rows: only what a refresh gives again can be compared.
      if (relation.kind === 'materialized view' && options.carried === 'logical' && !(await isFresh(client, relation, content))) {
        options.onLeftOut?.(relation.name, 'the materialized view differs from its query: a restore refreshes it')
      } else found[relation.name] = content
      options.onTable?.(relations.length - queue.length, relations.length)
    }
  }
  await Promise.all(readers.map(read))
  return Object.fromEntries(Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1)))
}

type TableContent = Content['tables'][string]

const DIGEST = `coalesce(sum(hashtextextended((holdfast_row.*)::text collate "C", 0)), 0)::text`

async function tableOf(client: Client, relation: Relation, depth: ContentOptions['depth'] = 'digests'): Promise<TableContent> {
  const only = relation.kind === 'table' ? 'only ' : ''
  return counted(client, `${only}${relation.name} as holdfast_row`, depth)
}

async function counted(client: Client, from: string, depth: ContentOptions['depth'] = 'digests'): Promise<TableContent> {
  const digest = depth === 'digests' ? DIGEST : `''`
  const { rows } = await client.query<{ rows: string; digest: string }>(`select count(*)::text as rows, ${digest} as digest from ${from}`)
  return { rows: Number(rows[0]?.rows), digest: rows[0]?.digest ?? '' }
}

async function isFresh(client: Client, relation: Relation, stored: TableContent): Promise<boolean> {
  const { rows } = await client.query<{ query: string }>("select rtrim(pg_catalog.pg_get_viewdef($1::oid), '; ') as query", [relation.oid])
  const now = await counted(client, `(${rows[0]?.query}) as holdfast_row`, stored.digest === '' ? 'counts' : 'digests')
  return now.rows === stored.rows && now.digest === stored.digest
}
