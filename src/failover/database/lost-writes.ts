/**
 * What exists only on the old side: the transactions that committed there after the fork, and the rows that they left.
 * Found in the old side's own log and data, never asked of a client; exported before anything is rewound.
 */
import { chmod, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseLsn } from './wal-position.ts'
import { HoldfastError } from '../../core/errors.ts'
import { readControlData } from './control-data.ts'
import type { Fork } from './fork.ts'
import { type Isolated, withIsolated } from './isolated.ts'
import { ensureKept, exists, isKept } from './kept-copy.ts'
import { isKnown, writeNote } from './kept-note.ts'
import { byName, changesOf, exportDatabase, type LostTable, namely, type RowSink } from './lost-rows.ts'
import { changedGlobals } from './lost-schema.ts'
import { foldersOf } from './rebuild-folders.ts'
import type { Site } from './site.ts'
import type { ArchiveGet } from './wal-files.ts'
import { committedAfter, type Walked } from './wal-walk.ts'

export type { LostTable, RowSink } from './lost-rows.ts'

export interface LostWrites {
  unknown: false
  transactions: number
  /** When the first and the last of them committed. */
  firstAt?: string
  lastAt?: string
  tables: LostTable[]
  /** Keys of the exported rows, as the sink gave them. */
  files: string[]
  bytes: number
  warnings: string[]
}

export type LostReport = LostWrites | { unknown: true; why: string }

export interface ExportRequest {
  /** Stopped; pinned or not. */
  old: Site
  fork: Fork
  sink: RowSink
  archiveGet?: ArchiveGet | undefined
  onProgress?: (phase: string) => void
}

/**
 * Counts and exports. Leaves the kept copy beside the data directory, from which all of it is read, so that it may be
 * repeated at any time until that is removed. Where the old log cannot be read to its end, nothing is claimed.
 */
export async function exportLostWrites(request: ExportRequest): Promise<LostReport> {
  const report = await countAndExport(request)
  // From here on nobody needs the copy once the site streams; in every other case it stays.
  if (isWhole(report)) await writeNote(foldersOf(request.old.dataDir), request.fork, true)
  return report
}

/** True where all that only the old side has is exported. */
export const isWhole = (report: LostReport): boolean => !report.unknown && report.warnings.length === 0

async function countAndExport(request: ExportRequest): Promise<LostReport> {
  const { old, fork } = request
  const folders = foldersOf(old.dataDir)
  if (!isKnown(fork)) return { unknown: true, why: `nobody knows where the branch of ${folders.kept} begins` }
  const from = (await isKept(folders, fork)) ? folders.kept : folders.data
  if (!(await exists(join(from, 'pg_wal')))) return { unknown: true, why: `${join(from, 'pg_wal')} is not there` }
  request.onProgress?.('reading the WAL')
  const walked = await walkOld(request, from)
  if (walked.unreadable) return { unknown: true, why: walked.unreadable }
  request.onProgress?.('keeping the old data aside')
  const kept = await ensureKept(old, fork)
  const first = walked.commits[0]
  if (!first) return { unknown: false, transactions: 0, tables: [], files: [], bytes: 0, warnings: [] }
  request.onProgress?.('recovering the old data in isolation')
  const last = walked.commits.at(-1) ?? first
  const transactions = walked.commits.length
  try {
    const loss = await withIsolated(old, kept, async (instance) => {
      await requireRecovered(instance, last.lsn)
      return exportAll(request, walked, instance)
    })
    return { unknown: false, transactions, firstAt: first.at, lastAt: last.at, ...loss }
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== 'SOURCE_UNFIT') throw error
    return {
      unknown: true,
      why: `${transactions} transactions committed there after ${fork.lsn}, and their rows cannot be read: ${error.message}`,
    }
  }
}

/** The archive may have more of the log than the copy recovers from: rows of that are not in it. */
async function requireRecovered(instance: Isolated, lsn: string): Promise<void> {
  const sql = 'select checkpoint_lsn::text as lsn from pg_control_checkpoint()'
  const recovered = await instance.query('postgres', async (client) => (await client.query<{ lsn: string }>(sql)).rows[0]?.lsn ?? '0/0')
  if (parseLsn(recovered) < parseLsn(lsn))
    throw new HoldfastError('SOURCE_UNFIT', `the old data recovers to ${recovered} only, and the last of them is at ${lsn}`)
}

async function walkOld({ old, fork, archiveGet }: ExportRequest, dataDir: string): Promise<Walked> {
  const control = await readControlData({ ...old, dataDir })
  const workDir = await mkdtemp(join(tmpdir(), 'holdfast-wal-'))
  // What fetches from the archive may be another user, and has to come through.
  await chmod(workDir, 0o711)
  const walked = await committedAfter({
    binDir: old.binDir,
    walDir: join(dataDir, 'pg_wal'),
    archiveGet,
    timeline: fork.timeline,
    segmentBytes: Number(control.raw['Bytes per WAL segment']) || undefined,
    from: fork.lsn,
    workDir,
    signal: old.signal,
  })
  if (walked.unreadable) return walked
  // Recovery begins at that record: a log that ends before it has lost its tail.
  const short = control.timeline === fork.timeline && parseLsn(walked.end) < parseLsn(control.checkpointLsn)
  return short
    ? { ...walked, unreadable: `the WAL ends at ${walked.end}, and pg_control names a checkpoint at ${control.checkpointLsn}` }
    : walked
}

async function exportAll(
  { old, sink, onProgress }: ExportRequest,
  walked: Walked,
  instance: Isolated,
): Promise<Pick<LostWrites, 'tables' | 'files' | 'bytes' | 'warnings'>> {
  const xids = `{${walked.commits.flatMap(({ xid, subxids }) => [xid, ...subxids]).join(',')}}`
  const loss = { tables: [] as LostTable[], files: [] as string[], bytes: 0, warnings: [] as string[] }
  for (const database of await databasesOf(instance)) {
    if (!database.open) {
      if (changesOf(walked.changesByTable, database.oid).size > 0)
        loss.warnings.push(`${database.name}: does not accept connections; its rows are not exported`)
      continue
    }
    onProgress?.(`exporting from ${database.name}`)
    const found = await instance.query(database.name, (client) =>
      exportDatabase({
        client,
        connection: instance.connection(database.name),
        binDir: old.binDir,
        database,
        xids,
        changes: walked.changesByTable,
        complete: walked.complete,
        sink,
      }),
    )
    loss.tables.push(...found.tables)
    loss.files.push(...found.files)
    loss.bytes += found.bytes
    loss.warnings.push(...found.warnings)
  }
  const globals = await globalsChanged(instance, walked)
  if (globals.length > 0)
    loss.warnings.push(
      `the lost transactions changed roles, databases or settings of them (${namely(globals)}); such changes are not exported`,
    )
  return loss
}

async function globalsChanged(instance: Isolated, { changesByTable }: Walked): Promise<string[]> {
  const touched = changesOf(changesByTable, SHARED)
  if (touched.size === 0) return []
  const sql = "select relname as name, pg_relation_filenode(oid)::text as file from pg_class where relisshared and relkind = 'r'"
  const catalogs = await instance.query('postgres', async (client) => (await client.query<{ name: string; file: string }>(sql)).rows)
  return changedGlobals(byName(catalogs, touched))
}

async function databasesOf(instance: Isolated): Promise<{ oid: number; name: string; open: boolean }[]> {
  return instance.query('postgres', async (client) => {
    const sql = 'select oid::int as oid, datname as name, datallowconn as open from pg_database order by datname'
    return (await client.query<{ oid: number; name: string; open: boolean }>(sql)).rows
  })
}

/** In the log, what belongs to no database. */
const SHARED = 0
