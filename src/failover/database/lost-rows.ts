/** The rows of one database that the given transactions wrote and that are still there, counted and exported. */
import { join } from 'node:path'
import type { ArtifactSink } from '../../drivers/driver.ts'
import type { Client } from '../../drivers/postgres-common/connect.ts'
import { pgEnvironment } from '../../drivers/postgres-common/connect.ts'
import { identifier } from '../../drivers/postgres-common/sql.ts'
import { changedDefinitions } from './lost-schema.ts'
import type { Changes } from './wal-records.ts'

export interface LostTable {
  database: string
  name: string
  rows: number
  deletes: number
}

/** Takes the rows of one table as CSV with a header. The pipeline's sink fits; folderSink writes plain files. */
export interface RowSink {
  store(part: Parameters<ArtifactSink['store']>[0]): Promise<{ key: string; plainBytes?: number | undefined; storedBytes: number }>
}

export interface DatabaseLoss {
  tables: LostTable[]
  files: string[]
  bytes: number
  warnings: string[]
}

interface Relation {
  schema: string
  name: string
  file: string | null
  user: boolean
}

export interface LossQuery {
  client: Client
  connection: string
  binDir: string
  database: { oid: number; name: string }
  /** Transaction ids, subtransactions included, as an array literal. */
  xids: string
  /** By `database oid/file number`. */
  changes: ReadonlyMap<string, Changes>
  /** False where the log does not show all that was changed: then every table is looked through. */
  complete: boolean
  sink: RowSink
}

const RELATIONS = `
  select n.nspname as schema, c.relname as name, pg_relation_filenode(c.oid)::text as file,
    (c.relkind = 'r' and c.relpersistence = 'p' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema') or c.oid in ('pg_largeobject'::regclass, 'pg_largeobject_metadata'::regclass) as "user"
  from pg_class c join pg_namespace n on n.oid = c.relnamespace`

export async function exportDatabase(query: LossQuery): Promise<DatabaseLoss> {
  const { rows: relations } = await query.client.query<Relation>(RELATIONS)
  const touched = changesOf(query.changes, query.database.oid)
  const known = new Set(relations.map(({ file }) => file))
  const gone = [...touched].filter(([file]) => !known.has(file))
  // A table that was rewritten or dropped has another file by now: which one it was, the log does not say.
  const all = gone.length > 0 || !query.complete
  const definitions = await changedDefinitions({
    ...query,
    changed: byName(
      relations.filter(({ schema }) => schema === 'pg_catalog'),
      touched,
    ),
  })
  const loss: DatabaseLoss = { tables: [], files: [], bytes: 0, warnings: warningsOf(query, gone, definitions) }
  for (const relation of relations.filter((one) => one.user && (all || touched.has(one.file ?? '')))) {
    await exportTable(query, relation, touched.get(relation.file ?? '')?.deletes ?? 0, loss)
  }
  return loss
}

/** What was changed in one database, by file number; in what belongs to none, of number 0. */
export function changesOf(changes: LossQuery['changes'], database: number): Map<string, Changes> {
  const prefix = `${database}/`
  return new Map(
    [...changes].filter(([relation]) => relation.startsWith(prefix)).map(([relation, sum]) => [relation.slice(prefix.length), sum]),
  )
}

async function exportTable(query: LossQuery, relation: Relation, deletes: number, loss: DatabaseLoss): Promise<void> {
  const selection = `from only ${identifier(relation.schema)}.${identifier(relation.name)} where xmin = any('${query.xids}'::xid[])`
  const { rows: counted } = await query.client.query<{ rows: string }>(`select count(*) as rows ${selection}`)
  const rows = Number(counted[0]?.rows)
  if (rows === 0 && deletes === 0) return
  loss.tables.push({ database: query.database.name, name: `${relation.schema}.${relation.name}`, rows, deletes })
  if (rows === 0) return
  const part = `lost.${[query.database.name, relation.schema, relation.name].map(encodeURIComponent).join('.')}.csv`
  // By standard input, because the list of transactions may be longer than an argument can be.
  const stdin = `copy (select * ${selection}) to stdout with (format csv, header)\n;\n`
  const psql = {
    program: join(query.binDir, 'psql'),
    args: ['-X', '-q', '-v', 'ON_ERROR_STOP=1'],
    env: pgEnvironment(query.connection),
    stdin,
    cwd: '/',
  }
  const stored = await query.sink.store({ part, role: 'lost-rows', required: true, stages: [psql] })
  loss.files.push(stored.key)
  loss.bytes += stored.plainBytes ?? stored.storedBytes
}

/** What of these was changed, by its name instead of its file. */
export const byName = (relations: Pick<Relation, 'name' | 'file'>[], touched: Map<string, Changes>): Map<string, Changes> =>
  new Map(
    relations.flatMap(({ name, file }) => {
      const changes = touched.get(file ?? '')
      return changes ? [[name, changes]] : []
    }),
  )

function warningsOf({ database, complete }: LossQuery, gone: [string, Changes][], definitions: string[]): string[] {
  const warnings: string[] = []
  const deletes = gone.reduce((sum, [, changes]) => sum + changes.deletes, 0)
  if (gone.length > 0) {
    warnings.push(
      `${database.name}: ${gone.length} changed tables were dropped, truncated or rewritten afterwards; rows of them may be missing, or may be counted that were only rewritten; ${deletes} deletions are of no known table`,
    )
  }
  if (definitions.length > 0)
    warnings.push(`${database.name}: the lost transactions changed the schema (${namely(definitions)}); such changes are not exported`)
  if (!complete) warnings.push(`${database.name}: a lost transaction began before the oldest WAL at hand; deletions may be missing`)
  return warnings
}

const NAMED = 10

/** The first of them by name, the others by number. */
export const namely = (names: string[]): string =>
  [...names.slice(0, NAMED), ...(names.length > NAMED ? [`${names.length - NAMED} more`] : [])].join(', ')
