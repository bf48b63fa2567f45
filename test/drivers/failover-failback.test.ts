/** Failback on a real pair, from one failover to the next: what was lost is counted, then the old side follows again. */
import { readdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createPair, type Pair } from '../../scripts/toolbox/pair.ts'
import { OS_USER, POSTGRES_BIN, reachableFolder } from '../../scripts/toolbox/postgres.ts'
import { connect } from '../../src/drivers/postgres-common/connect.ts'
import { readControlData } from '../../src/failover/database/control-data.ts'
import { fence } from '../../src/failover/database/fence.ts'
import { folderSink } from '../../src/failover/database/folder-sink.ts'
import { findFork } from '../../src/failover/database/fork.ts'
import { rewindGrants } from '../../src/failover/database/grants.ts'
import { removeKept } from '../../src/failover/database/kept-copy.ts'
import { exportLostWrites, type LostWrites } from '../../src/failover/database/lost-writes.ts'
import { promote } from '../../src/failover/database/promote.ts'
import { foldersOf } from '../../src/failover/database/rebuild-folders.ts'
import { reclone } from '../../src/failover/database/reclone.ts'
import { rejoin } from '../../src/failover/database/rejoin.ts'
import { checkpointed, rewind } from '../../src/failover/database/rewind.ts'
import { readPidFile } from '../../src/failover/database/shared-memory.ts'
import { connectionOf, inspectSite } from '../../src/failover/database/site.ts'
import { ensureSlot, slotBound } from '../../src/failover/database/slots.ts'
import { slotsOf } from '../../src/failover/database/replication.ts'
import { awaitStreaming } from '../../src/failover/database/streaming.ts'
import { run } from '../../src/process/run.ts'
import { until } from '../../src/process/wait.ts'
import {
  binDirWith,
  catchUp,
  crash,
  failOver,
  hangingScript,
  holdBack,
  killedAt,
  parseCsv,
  type Side,
  sideOf,
} from '../support/failback.ts'
import { writeBehindTheFork } from '../support/lost-writer.ts'

let pair: Pair
let east: Side
let west: Side
let folder: string
const stray: number[] = []
const STREAM = { timeoutMs: 90_000 }

beforeAll(async () => {
  folder = await reachableFolder('holdfast-failback-')
  // A crash that only the test ends: no supervisor starts anything in between.
  pair = await createPair({ dbname: 'shop', restartSeconds: 3600 })
  east = sideOf(pair, pair.primary)
  west = sideOf(pair, pair.standby)
  await pair.primary.query('create database side')
  await pair.primary.query(
    "create table items (id int primary key, v text); insert into items select g, 'base' from generate_series(1, 20) g; create table untouched (id int); insert into untouched values (1)",
  )
  await pair.primary.query('create table notes (id int)', 'side')
})
afterAll(async () => {
  for (const pid of stray) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      /* it ended with its parent */
    }
  }
  await pair?.destroy()
  await rm(folder, { recursive: true, force: true })
})

/** What stands beside the data directory of a side, apart from what its pair put there. */
async function beside({ site }: Side): Promise<string[]> {
  return (await readdir(dirname(site.dataDir))).filter((name) => name.startsWith('data.') && name !== 'data.holdfast')
}

async function session(side: Side): Promise<pg.Client> {
  const client = new pg.Client({ host: side.site.address, port: side.site.port, user: 'postgres', database: 'shop' })
  client.on('error', () => {})
  await client.connect()
  return client
}

test('what was acknowledged behind the fork is exported to the row, and the old side streams again after a rewind', async () => {
  const early = await session(east)
  await early.query("begin; delete from items where id = 20; insert into items values (21, 'begun before')")
  await east.place.query("insert into items values (30, 'replicated')")
  await catchUp(east, west)
  await holdBack(west)
  const written = await writeBehindTheFork(east, early)
  await crash(east)
  await failOver(east, west, 1)
  await early.end().catch(() => {})

  const fork = await findFork(east.site, west.site)
  const request = { old: east.site, fork, sink: folderSink(join(folder, 'lost')) }
  const lost = (await exportLostWrites(request)) as LostWrites
  expect([...lost.tables].sort((a, b) => (a.name < b.name ? -1 : 1))).toEqual([
    { database: 'side', name: 'pg_catalog.pg_largeobject', rows: 1, deletes: 0 },
    { database: 'side', name: 'pg_catalog.pg_largeobject_metadata', rows: 1, deletes: 0 },
    { database: 'shop', name: 'public.items', rows: written.size, deletes: 3 },
    { database: 'side', name: 'public.notes', rows: 3, deletes: 0 },
  ])
  // 10 single ones, update, delete, subtransactions, prepared, big, odd, two short-lived, the early one, notes, the
  // large object, and VACUUM FULL.
  expect(lost.transactions).toBe(22)
  const [header, ...rows] = parseCsv(await readFile(join(folder, 'lost', 'lost.shop.public.items.csv'), 'utf8'))
  expect(header).toEqual(['id', 'v'])
  expect(new Map(rows.map(([id, value]) => [Number(id), value]))).toEqual(written)
  const there = new Map((await west.place.query('select id, v from items')).map((row) => [row['id'] as number, row['v'] as string]))
  expect(
    [...written].filter(([id, value]) => there.get(id) === value),
    'not lost at all',
  ).toEqual([])
  expect(lost.warnings).toEqual([
    expect.stringMatching(/^side: \d+ changed tables were .*rewritten/),
    expect.stringMatching(/^side: .*changed the schema/),
  ])
  expect(await exportLostWrites(request), 'repeated').toEqual(lost)

  expect(await rewind({ site: east.site, primary: west.site, fork, epoch: 1 })).toMatchObject({
    method: 'rewind',
    resumed: false,
    timeline: 2,
  })
  await awaitStreaming(west.site, east.site, { ...STREAM, epoch: 1 })
  expect((await east.place.query('select count(*)::int as n from items where id >= 100 or id = 21'))[0]).toEqual({ n: 0 })
  expect((await east.place.query('show cluster_name'))[0]).toEqual({ cluster_name: 'east' })
  await removeKept(east.site)
  expect(await beside(east)).toEqual([])
})

test('right after a promotion bare pg_rewind does nothing and says success; a rewind killed at any point converges', async () => {
  await west.place.query('checkpoint')
  await catchUp(west, east)
  await east.place.query('checkpoint')
  await holdBack(east)
  await west.place.query("insert into items select g, 'second' from generate_series(1000, 1200) g")
  const checkpointer = Number((await east.place.query("select pid from pg_stat_activity where backend_type = 'checkpointer'"))[0]?.['pid'])
  process.kill(checkpointer, 'SIGSTOP')
  let timeline: Promise<number>
  try {
    await failOver(west, east, 2)
    expect(await bareRewind()).toMatch(/no rewind required/)
    timeline = checkpointed(east.site)
    timeline.catch(() => {})
    const asked = async () =>
      (await east.place.query("select from pg_stat_activity where query = 'checkpoint' and state = 'active'")).length > 0
    await until(asked, { timeoutMs: 30_000, what: 'the checkpoint that pg_rewind needs' })
  } finally {
    process.kill(checkpointer, 'SIGCONT')
  }
  expect(await timeline).toBe(3)
  const fork = await findFork(west.site, east.site)
  const request = { site: west.site, primary: east.site, fork, epoch: 2 }
  await expect(rewind({ ...request, epoch: 1 }), 'of a run that another has overtaken').rejects.toMatchObject({ code: 'EPOCH_STALE' })

  // Killed while the old data is copied aside.
  const copying = await hangingScript(join(folder, 'cp'), `for last; do :; done\necho half > "$last/half"`)
  stray.push(await killedAt(request, copying.reached, `${folder}:${process.env['PATH']}`))
  await rm(copying.path)

  const lying = await binDirWith(join(folder, 'lying'), 'pg_rewind', 'echo "pg_rewind: no rewind required"')
  await expect(rewind({ ...request, site: { ...west.site, binDir: lying } })).rejects.toMatchObject({
    code: 'REWIND_FAILED',
    message: expect.stringContaining('no rewind required'),
  })

  // Killed in the middle of pg_rewind, with the folder in pieces.
  const half = await binDirWith(join(folder, 'half'), 'pg_rewind', '')
  const rewinding = await hangingScript(join(half, 'pg_rewind'), 'rm -rf ../data.rebuild/base ../data.rebuild/pg_wal')
  stray.push(await killedAt({ ...request, site: { ...west.site, binDir: half } }, rewinding.reached))

  // Killed when all is in place and nothing runs yet.
  const starting = await hangingScript(join(folder, 'start'))
  stray.push(
    await killedAt(
      { ...request, site: { ...west.site, supervisor: { ...west.site.supervisor, start: [starting.path] } } },
      starting.reached,
    ),
  )

  expect(await rewind(request)).toMatchObject({ method: 'rewind', resumed: true })
  await awaitStreaming(east.site, west.site, { ...STREAM, epoch: 2 })
  expect(await rewind(request), 'repeated on a running standby').toMatchObject({ resumed: true })
  await removeKept(west.site)
  expect(await beside(west)).toEqual([])
  expect((await west.place.query('select count(*)::int as n from items where id >= 1000'))[0]).toEqual({ n: 0 })
})

/** As somebody would by hand, on a copy of the stopped side. */
async function bareRewind(): Promise<string> {
  const copy = join(folder, 'bare')
  await run({ program: 'cp', args: ['-a', west.site.dataDir, copy] })
  await rename(join(copy, 'global', 'pg_control.fenced'), join(copy, 'global', 'pg_control'))
  const source = `host=${east.site.address} port=${east.site.port} user=postgres dbname=shop`
  const { stdout, stderr } = await run({
    program: join(POSTGRES_BIN, 'pg_rewind'),
    args: ['--dry-run', '-D', copy, `--source-server=${source}`],
    user: OS_USER,
    cwd: '/',
  })
  return stdout + stderr
}

/** Ids of all segments of this machine. */
const sharedMemory = async () =>
  (await readFile('/proc/sysvipc/shm', 'utf8'))
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/)[1])

test('where the old WAL is gone the loss is said to be unknown, the rewind fails, and a re-clone takes its place', async () => {
  await catchUp(east, west)
  await holdBack(west)
  await east.place.query("insert into items values (2000, 'gone')")
  const held = awaitStreaming(east.site, west.site, { timeoutMs: 1_000, epoch: 2 })
  await expect(held).rejects.toMatchObject({ code: 'STANDBY_UNHEALTHY', message: expect.stringContaining('does not stream') })
  await crash(east)
  await failOver(east, west, 3)
  const wal = join(east.site.dataDir, 'pg_wal')
  for (const name of (await readdir(wal)).filter((one) => /^[0-9A-F]{24}$/.test(one))) await rm(join(wal, name))
  const fork = await findFork(east.site, west.site)
  const unreachable: string[] = []
  const asOther = async (_: string, into: string) => {
    if (OS_USER) await run({ program: 'chown', args: [OS_USER, dirname(into)] })
    await run({ program: 'touch', args: [into], user: OS_USER, cwd: '/' }).catch(() => unreachable.push(into))
    return false
  }
  expect(await exportLostWrites({ old: east.site, fork, sink: folderSink(join(folder, 'none')), archiveGet: asOther })).toMatchObject({
    unknown: true,
    why: expect.stringContaining(wal),
  })
  expect(unreachable, 'where another user may not write what the archive gives').toEqual([])
  const request = { site: east.site, primary: west.site, fork, epoch: 3 }
  await expect(rewind({ ...request, fork: undefined })).rejects.toMatchObject({ code: 'REWIND_FAILED' })
  await expect(rewind(request)).rejects.toMatchObject({ code: 'REWIND_FAILED' })
  expect(await readdir(foldersOf(east.site.dataDir).data), 'nothing that a supervisor could start').toEqual([])
  const left = (await readPidFile({ dataDir: foldersOf(east.site.dataDir).rebuild }))?.segment
  expect(await sharedMemory(), 'the server of pg_rewind died of the missing log').toContain(left?.id)
  expect(await reclone(request)).toMatchObject({ method: 'reclone', resumed: false })
  expect(await sharedMemory()).not.toContain(left?.id)
  await awaitStreaming(west.site, east.site, { ...STREAM, epoch: 3 })
  expect((await east.place.query('show cluster_name'))[0]).toEqual({ cluster_name: 'east' })
  expect((await slotsOf(west.site)).map(({ name, active }) => ({ name, active }))).toEqual([{ name: pair.slot, active: true }])
  await removeKept(east.site)
  expect(await beside(east)).toEqual([])
})

test('after a clean switch nothing was lost, and the demoted side streams without a rewind', async () => {
  const { lsn, timeline } = await fence(west.site, { epoch: 4, mode: 'planned', timeoutMs: 20_000 })
  await promote(east.site, { epoch: 4, recordNoReturn: async () => {}, mustReach: { lsn, timeline } })
  const fork = await findFork(west.site, east.site)
  expect(await exportLostWrites({ old: west.site, fork, sink: folderSink(join(folder, 'clean')) })).toMatchObject({
    unknown: false,
    transactions: 0,
    tables: [],
  })
  await removeKept(west.site)
  await rejoin({ site: west.site, primary: east.site, epoch: 4 })
  await awaitStreaming(east.site, west.site, { ...STREAM, epoch: 4 })
  await rejoin({ site: west.site, primary: east.site, epoch: 4 })
  expect(await slotsOf(west.site), 'a standby holds back no WAL').toEqual([])
  expect(await inspectSite(west.site)).toMatchObject({ role: 'standby', pinned: false })
  expect((await readControlData(west.site)).state).toBe('in archive recovery')
})

test('missing grants are named, a slot is made once, and one without a bound is found', async () => {
  const client = await connect(connectionOf(east.site, { dbname: 'postgres' }))
  try {
    await client.query('create role bare login')
    expect([await rewindGrants(client), await rewindGrants(client, 'repl')]).toEqual([[], []])
    const missing = await rewindGrants(client, 'bare')
    expect(missing).toHaveLength(4)
    for (const statement of missing) await client.query(statement)
    expect(await rewindGrants(client, 'bare')).toEqual([])
  } finally {
    await client.end()
  }
  await ensureSlot(east.site)
  await ensureSlot(east.site)
  expect(await slotBound(east.site)).toMatchObject({ ok: false, next: expect.stringContaining('max_slot_wal_keep_size') })
})
