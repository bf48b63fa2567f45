/** The log of a stopped cluster, whole, recycled, torn apart: what committed is counted, or nothing is claimed. */
import { copyFile, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Cluster, createCluster, OS_USER, POSTGRES_BIN, reachableFolder } from '../../scripts/toolbox/postgres.ts'
import { folderSink } from '../../src/failover/database/folder-sink.ts'
import { removeKept } from '../../src/failover/database/kept-copy.ts'
import { exportLostWrites } from '../../src/failover/database/lost-writes.ts'
import { type Walked, committedAfter } from '../../src/failover/database/wal-walk.ts'

let cluster: Cluster
let folder: string
let archive: string
/** File number of the table. */
let file: string
/** Positions before the long transaction's commit; at the very end of a segment; at the end of it all. */
let fork: string
let boundary: string
let end: string

const lsn = async () => String((await cluster.query('select pg_current_wal_insert_lsn()::text as lsn'))[0]?.['lsn'])
const segments = async () => (await readdir(join(cluster.dataDir, 'pg_wal'))).filter((name) => /^[0-9A-F]{24}$/.test(name)).sort()

beforeAll(async () => {
  folder = await reachableFolder('holdfast-walk-')
  archive = join(folder, 'archive')
  cluster = await createCluster({ settings: { wal_keep_size: '1GB', max_wal_size: '1GB' } })
  await cluster.query(
    "create table t (id int primary key, v text); insert into t select g, 'x' from generate_series(1, 100) g; create table filler (v text)",
  )
  const long = new pg.Client({ host: cluster.address, port: cluster.port, user: 'postgres', database: 'postgres' })
  await long.connect()
  await long.query('begin; delete from t where id <= 7')
  for (let round = 0; round < 3; round++) {
    await cluster.query(`insert into filler select repeat('f', 100) from generate_series(1, 1000)`)
    await cluster.query('select pg_switch_wal()')
    await cluster.query('checkpoint')
  }
  fork = await lsn()
  await long.query('commit')
  await long.end()
  await cluster.query("insert into t values (1000, 'after')")
  await cluster.query("begin; insert into t values (1001, 'undone'); rollback")
  file = String(
    (
      await cluster.query("select (select oid from pg_database where datname = 'postgres') || '/' || pg_relation_filenode('t') as file")
    )[0]?.['file'],
  )
  await cluster.query('select pg_switch_wal()')
  boundary = await lsn()
  await cluster.query("insert into t values (1002, 'last')")
  end = await lsn()
  await cluster.stop('immediate')
  await mkdir(archive)
  for (const name of await segments()) await copyFile(join(cluster.dataDir, 'pg_wal', name), join(archive, name))
})
afterAll(async () => {
  await cluster?.destroy()
  await rm(folder, { recursive: true, force: true })
})

function walk(from: string, withArchive = false): Promise<Walked> {
  const archiveGet = async (segment: string, into: string) =>
    copyFile(join(archive, segment), into).then(
      () => true,
      () => false,
    )
  return committedAfter({
    binDir: POSTGRES_BIN,
    walDir: join(cluster.dataDir, 'pg_wal'),
    timeline: 1,
    from,
    workDir: join(folder, 'work'),
    ...(withArchive ? { archiveGet } : {}),
  })
}

/** Runs with some segments taken away, and puts them back. */
async function without<T>(names: string[], use: () => Promise<T>): Promise<T> {
  const wal = join(cluster.dataDir, 'pg_wal')
  for (const name of names) await rename(join(wal, name), join(folder, name))
  try {
    return await use()
  } finally {
    for (const name of names) await rename(join(folder, name), join(wal, name))
  }
}

test('what a transaction changed long before the fork counts when it commits behind it', async () => {
  const walked = await walk(fork)
  expect(walked).toMatchObject({ complete: true, commits: [{ subxids: [] }, { subxids: [] }, { subxids: [] }] })
  expect(walked.unreadable).toBeUndefined()
  expect(walked.changesByTable.get(file)).toEqual({ inserts: 2, updates: 0, deletes: 7 })
})

test('a log that ends exactly at the fork has lost nothing, also at the end of a segment', async () => {
  expect(await walk(end)).toMatchObject({ commits: [], complete: true, end })
  const last = (await segments()).filter((name) => name >= segmentAt(boundary))
  expect(await without(last, () => walk(boundary))).toMatchObject({ commits: [], complete: true })
})

test('segments that were recycled come from the archive; without it the missing part is said to be missing', async () => {
  const [first, second, third] = (await segments()) as [string, string, string]
  const gone = [first, second, third]
  expect(await without(gone, () => walk(fork))).toMatchObject({ complete: false, commits: [{}, {}, {}] })
  const fetched = await without(gone, () => walk(fork, true))
  expect(fetched).toMatchObject({ complete: true })
  expect(fetched.changesByTable.get(file)?.deletes).toBe(7)
})

test('a segment with the pages of another is not taken for it', async () => {
  const wal = join(cluster.dataDir, 'pg_wal')
  const [first] = (await segments()) as [string]
  const at = segmentAt(boundary)
  await without([at], async () => {
    await copyFile(join(wal, first), join(wal, at))
    expect((await walk(fork)).commits).toHaveLength(2)
    expect((await walk(fork, true)).commits).toHaveLength(3)
    await rm(join(wal, at))
  })
})

test('a lost segment at the fork or in the middle makes the log unreadable, and nothing is claimed', async () => {
  expect(await without([segmentAt(fork)], () => walk(fork))).toMatchObject({
    commits: [],
    complete: false,
    unreadable: expect.stringContaining('neither in'),
  })
  const [, second] = (await segments()) as [string, string]
  expect((await without([second], () => walk('0/1500000'))).unreadable).toContain('but 0000')
  expect((await walk('7/0')).unreadable).toContain('neither in')
  expect((await without(await segments(), () => walk(fork))).unreadable).toContain('holds no WAL')
  expect(await readdir(folder), 'nothing of the reading is left').toEqual(['archive'])
})

test('rows of which only the log is left, in the archive, are not claimed to be counted', async () => {
  const old = {
    name: 'old',
    host: 'old',
    dataDir: cluster.dataDir,
    address: cluster.address,
    port: cluster.port,
    binDir: POSTGRES_BIN,
    osUser: OS_USER,
    supervisor: { start: ['true'], stop: ['true'], mask: ['true'], unmask: ['true'] },
    database: { user: 'postgres', dbname: 'postgres', replicationUser: 'repl', slot: 'none', canary: true, sslmode: 'prefer' },
  }
  const archiveGet = async (segment: string, into: string) =>
    copyFile(join(archive, segment), into).then(
      () => true,
      () => false,
    )
  const lost = (from = fork) =>
    exportLostWrites({ old, fork: { timeline: 1, lsn: from }, sink: folderSink(join(folder, 'rows')), archiveGet })
  for (const [gone, why] of [
    [(await segments()).filter((name) => name >= segmentAt(boundary)), /^3 transactions .* recovers to .* only/],
    [await segments(), /^3 transactions .* does not recover/],
  ] as const) {
    const report = await without([...gone], () => lost())
    expect(report).toMatchObject({ unknown: true, why: expect.stringMatching(why) })
    await removeKept(old)
  }
  expect(await lost()).toMatchObject({ unknown: false, transactions: 3, tables: [{ name: 'public.t', rows: 2, deletes: 7 }] })
  await removeKept(old)
})

function segmentAt(position: string): string {
  const [high, low] = position.split('/').map((part) => Number.parseInt(part, 16)) as [number, number]
  return `00000001${high.toString(16).padStart(8, '0')}${Math.floor(low / 0x1000000)
    .toString(16)
    .padStart(8, '0')}`.toUpperCase()
}
