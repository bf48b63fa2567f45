/** The fence property, in seeded rounds; HOLDFAST_ROUNDS and HOLDFAST_SEED run more of them, or one again. */
import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { awaitStreaming, createPair, type Pair } from '../../scripts/toolbox/pair.ts'
import { fence } from '../../src/failover/database/fence.ts'
import { readPidFile } from '../../src/failover/database/shared-memory.ts'
import { inspectSite, pidsOf, type Site } from '../../src/failover/database/site.ts'
import { unfence } from '../../src/failover/database/unfence.ts'
import { until } from '../../src/process/wait.ts'
import { hammer, openTransaction, type Place, prepared, procedure, silentSocket, type Writer } from '../support/fence-writers.ts'
import { seeded, siteOf } from '../support/sites.ts'

const ROUNDS = Number(process.env.HOLDFAST_ROUNDS ?? 4)
const SEED = Number(process.env.HOLDFAST_SEED ?? 1)

let pair: Pair
let east: Site
let place: Place
let epoch = 0

beforeAll(async () => {
  pair = await createPair({ dbname: 'shop', restartSeconds: 1, settings: { max_connections: '100' } })
  east = siteOf(pair, pair.primary)
  place = { host: east.address, port: east.port, database: 'shop' }
  await pair.primary.query(`create table writes (id text primary key); create table noise (id text, n bigint);
    create procedure commit_for_ever(name text) language plpgsql as $$
    declare n bigint := 0; begin loop insert into noise values (name, n); commit; n := n + 1; end loop; end $$`)
})
afterAll(() => pair?.destroy())

async function writersOf(round: number, random: () => number): Promise<Writer[]> {
  const name = (kind: string, index: number) => `${kind}-${round}-${index}`
  const several = (most: number) => Array.from({ length: 1 + Math.floor(random() * most) }, (_, index) => index)
  return [
    ...(await Promise.all(several(6).map((index) => hammer(place, name('hammer', index))))),
    ...(await Promise.all(several(3).map((index) => openTransaction(place, name('open', index))))),
    ...(await Promise.all(several(3).map((index) => prepared(place, name('prepared', index))))),
    ...(await Promise.all(several(2).map((index) => procedure(place, name('procedure', index))))),
    ...(await Promise.all(several(4).map((index) => silentSocket(place, name('silent', index))))),
  ]
}

async function killPostmaster(): Promise<void> {
  process.kill((await readPidFile(east))?.pid as number, 'SIGKILL')
}

/** Un-fences for the next round; what was acknowledged must be there, what is there must have been tried. */
async function reopen(writers: Writer[]): Promise<void> {
  await unfence(east, ++epoch)
  const rows = new Set((await pair.primary.query('select id from writes')).map((row) => row['id'] as string))
  const acknowledged = writers.flatMap((writer) => writer.acknowledged.map(({ id }) => id))
  expect(
    acknowledged.filter((id) => !rows.has(id)),
    'acknowledged and gone',
  ).toEqual([])
  const known = new Set([...acknowledged, ...writers.flatMap((writer) => writer.unknown)])
  expect(
    [...rows].filter((id) => !known.has(id)),
    'there, and nobody wrote it',
  ).toEqual([])
  for (const { gid } of await pair.primary.query('select gid from pg_prepared_xacts'))
    await pair.primary.query(`rollback prepared '${String(gid)}'`)
  await pair.primary.query('truncate writes, noise')
}

describe('after the fence is reported nothing is acknowledged', () => {
  for (let round = 0; round < ROUNDS; round++) {
    const seed = SEED + round
    const dying = round % 2 === 1
    test(`seed ${seed}, ${dying ? 'a primary whose postmaster was killed' : 'a live primary'}`, async () => {
      const random = seeded(seed)
      const writers = await writersOf(round, random)
      const mode = dying || random() < 0.5 ? 'unplanned' : 'planned'
      await delay(random() * 300)
      if (dying) await killPostmaster()
      // Up to the moment when the supervisor restarts it, and beyond.
      await delay(random() * (dying ? 1_500 : 100))
      const report = await fence(east, { epoch: ++epoch, mode, timeoutMs: 20_000 })
      const reportedAt = performance.now()
      const log = await logOnDisk()

      const late = (await Promise.all(writers.map(async (writer) => ((await writer.tryAgain()) ? writer.name : undefined)))).filter(Boolean)
      expect(late, 'acknowledged after the fence').toEqual([])
      expect(
        writers.flatMap((writer) => writer.acknowledged.filter(({ at }) => at > reportedAt)),
        'acknowledged after the fence',
      ).toEqual([])
      const start = await pair.primary.supervise('start')
      expect(start, 'a start while it is masked').toMatchObject({ exitCode: 4 })
      await pair.primary.supervise('unmask')
      expect((await pair.primary.supervise('start')).exitCode, 'a start that only the pin can refuse').not.toBe(0)
      await pair.primary.supervise('mask')
      expect(await pidsOf(east)).toEqual([])
      expect(await logOnDisk(), 'the looping procedure went on').toEqual(log)
      expect(report.startRefused.exitCode).not.toBe(0)
      expect(report.pinned).toBe(true)
      expect(report.cleanShutdown).toBe(report.controlState === 'shut down')

      await Promise.all(writers.map((writer) => writer.close()))
      await reopen(writers)
    })
  }

  /** The write-ahead log as it stands on disk: grows with every commit. */
  async function logOnDisk(): Promise<unknown> {
    const folder = `${east.dataDir}/pg_wal`
    const names = (await readdir(folder)).filter((name) => /^[0-9A-F]{24}$/.test(name)).sort()
    const stamps = await Promise.all(names.map(async (name) => `${name} ${(await stat(`${folder}/${name}`)).mtimeMs}`))
    const newest = stamps.map((line) => line.split(' ')).sort((a, b) => Number(b[1]) - Number(a[1]))[0]?.[0]
    return {
      stamps,
      digest:
        newest &&
        createHash('sha256')
          .update(await readFile(`${folder}/${newest}`))
          .digest('hex'),
    }
  }
})

test('a killed postmaster leaves a procedure that goes on committing, and the fence ends it', async () => {
  await pair.primary.supervise('mask')
  const writer = await procedure(place, 'survivor')
  await until(async () => (await pair.primary.query('select 1 from noise limit 1')).length > 0, {
    timeoutMs: 20_000,
    what: 'the procedure to commit',
  })
  await killPostmaster()
  await until(async () => (await pidsOf(east)).length === 1, { timeoutMs: 20_000, what: 'all but the procedure to end' })
  const report = await fence(east, { epoch: ++epoch, mode: 'unplanned', timeoutMs: 5_000 })
  expect(report.killed.length).toBeGreaterThan(0)
  expect(report.cleanShutdown).toBe(false)
  expect(await writer.tryAgain()).toBe(false)
  await writer.close()
  await reopen([])
})

test('a planned fence of a dying primary is left to an operator', async () => {
  await pair.primary.supervise('mask')
  const writer = await procedure(place, 'planned')
  await until(async () => (await pair.primary.query('select 1 from noise limit 1')).length > 0, {
    timeoutMs: 20_000,
    what: 'the procedure to commit',
  })
  await killPostmaster()
  await expect(fence(east, { epoch: ++epoch, mode: 'planned', timeoutMs: 2_000 })).rejects.toMatchObject({
    code: 'FENCE_UNPROVEN',
    next: expect.stringContaining('unplanned'),
  })
  expect((await pidsOf(east)).length).toBeGreaterThan(0)
  await fence(east, { epoch, mode: 'unplanned', timeoutMs: 5_000 })
  await writer.close()
  await reopen([])
})

test('a fence called again proves it again and changes nothing', async () => {
  const first = await fence(east, { epoch: ++epoch, mode: 'planned', timeoutMs: 20_000 })
  const second = await fence(east, { epoch, mode: 'planned', timeoutMs: 20_000 })
  expect(first).toMatchObject({ cleanShutdown: true, controlState: 'shut down' })
  expect(second).toMatchObject({ cleanShutdown: true, lsn: first.lsn, timeline: first.timeline, killed: [], pinned: true })
  expect(await inspectSite(east)).toMatchObject({ role: 'down', running: false, pinned: true, epoch, controlState: 'shut down' })
  await reopen([])
})

test('an older run may neither fence nor un-fence', async () => {
  await fence(east, { epoch: ++epoch, mode: 'planned', timeoutMs: 20_000 })
  await expect(unfence(east, epoch - 1)).rejects.toMatchObject({ code: 'EPOCH_STALE' })
  expect(await inspectSite(east)).toMatchObject({ running: false, pinned: true })
  await reopen([])
  await expect(fence(east, { epoch: epoch - 1, mode: 'unplanned', timeoutMs: 5_000 })).rejects.toMatchObject({ code: 'EPOCH_STALE' })
  expect(await inspectSite(east)).toMatchObject({ role: 'primary', pinned: false })
})

test('a standby whose receiver is frozen holds a planned fence back, and not an unplanned one', async () => {
  await awaitStreaming(pair.primary)
  const [receiver] = await pair.standby.query('select pid from pg_stat_wal_receiver')
  process.kill(receiver?.['pid'] as number, 'SIGSTOP')
  try {
    await pair.primary.query("insert into writes values ('unseen')")
    await expect(fence(east, { epoch: ++epoch, mode: 'planned', timeoutMs: 3_000 })).rejects.toMatchObject({ code: 'FENCE_UNPROVEN' })
    expect((await inspectSite(east)).running).toBe(true)
    const report = await fence(east, { epoch, mode: 'unplanned', timeoutMs: 1_000 })
    expect(report).toMatchObject({ proved: true, cleanShutdown: false })
  } finally {
    process.kill(receiver?.['pid'] as number, 'SIGCONT')
  }
  await unfence(east, ++epoch)
  expect(await pair.primary.query("select id from writes where id = 'unseen'")).toHaveLength(1)
})
