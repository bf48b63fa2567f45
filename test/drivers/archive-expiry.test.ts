/** WAL that expires before the recoverable window, on a real cluster and real pgBackRest: what is restorable stays so. */
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Manifest } from '../../src/core/records.ts'
import type { ArchiveKeeping } from '../../src/drivers/driver.ts'
import { expireArchive } from '../../src/drivers/postgres-physical/archive-expiry.ts'
import { hasOwnWal } from '../../src/drivers/postgres-physical/own-wal.ts'
import { createPgbackrest } from '../../src/drivers/postgres-physical/pgbackrest.ts'
import { segmentBefore, parseLsn, segmentName } from '../../src/core/wal.ts'
import { until } from '../../src/process/wait.ts'
import { createPhysicalSource, inCopy, type PhysicalSource, quiet, STANZA } from '../support/physical.ts'

interface Moment {
  time: string
  lsn: string
  rows: number
}

const WINDOW = '60s'
let source: PhysicalSource
/** Kept for years, on a full one; the one that the window begins with; and the newest. */
const points: Record<'old' | 'oldIncremental' | 'base' | 'newest', Manifest> = {} as never
const moments: Record<'between' | 'inside', Moment> = {} as never
/** The first moment that has to stay recoverable. */
let begins: number

const engine = () => createPgbackrest({ configFile: source.configFile, stanza: STANZA })
const archived = async () => (await engine().archive()).segments.map(({ wal }) => wal).sort()
const all = () => Object.values(points)
const expire = (options: Partial<ArchiveKeeping> = {}) =>
  expireArchive(
    engine(),
    { window: WINDOW, points: all().map((manifest) => ({ manifest, sound: true })), dryRun: false, ...options },
    begins + 60_000,
  )

async function write(segments: number): Promise<void> {
  for (let written = 0; written < segments; written++) {
    await source.cluster.query(`insert into orders (note) select md5(n::text) from generate_series(1, 500) n`)
    await source.driver.switchWal()
  }
}

async function moment(): Promise<Moment> {
  const [row] = await source.cluster.query(
    `select clock_timestamp()::text as time, pg_current_wal_lsn()::text as lsn, (select count(*)::int from orders) as rows`,
  )
  return { time: new Date(String(row?.time)).toISOString(), lsn: String(row?.lsn), rows: Number(row?.rows) }
}

/** Until the clock has left the second that it is in: times of backups and of an archive are whole seconds. */
async function nextSecond(): Promise<void> {
  const before = Math.floor(Date.now() / 1000)
  await until(() => Math.floor(Date.now() / 1000) > before + 1, { timeoutMs: 10_000, what: 'the next second' })
}

beforeAll(async () => {
  source = await createPhysicalSource()
  await source.cluster.query('create table orders (id bigserial primary key, note text not null)')
  await write(1)
  points.old = await source.take('20250101_020000_full', 'full')
  await write(2)
  points.oldIncremental = await source.take('20250102_020000_incremental', 'incremental')
  await write(2)
  moments.between = await moment()
  await nextSecond()
  await write(1)
  points.base = await source.take('20260101_020000_full', 'full')
  await nextSecond()
  begins = Date.now()
  await write(1)
  moments.inside = await moment()
  await nextSecond()
  await write(1)
  points.newest = await source.take('20260102_020000_incremental', 'incremental')
})
afterAll(async () => source?.destroy())

test('a point has the WAL to its mark, and nothing of its making is left on the host', async () => {
  for (const { artifacts } of all()) expect(artifacts.filter(({ role }) => role === 'wal').length).toBeGreaterThan(0)
  expect(all().every(hasOwnWal)).toBe(true)
  expect((await readdir(tmpdir())).filter((name) => name.startsWith(`holdfast-wal-${STANZA}-2025`))).toEqual([])
})

test('of a point without the WAL to its mark the archive is not taken away', async () => {
  const before = await archived()
  const older = { ...points.old, artifacts: [] }
  const kept = [older, points.oldIncremental, points.base, points.newest].map((manifest) => ({ manifest, sound: true }))
  expect(await expire({ points: kept })).toMatchObject({ segments: 0, left: expect.stringContaining(older.id) })
  expect(await archived()).toEqual(before)
})

test('nothing goes while what the window begins with is not sound', async () => {
  const doubted = all().map((manifest) => ({ manifest, sound: manifest === points.newest }))
  expect(await expire({ points: doubted })).toMatchObject({ segments: 0, left: expect.stringMatching(/no point .* older than the window/) })
})

test('a point that was not complete when the window begins is not what it begins with: retention would keep an older one', async () => {
  const completedAt = new Date(begins + 1000).toISOString()
  const late = all().map((manifest) => ({ manifest: manifest === points.base ? { ...manifest, completedAt } : manifest, sound: true }))
  const { segments } = await expire({ points: late, dryRun: true })
  expect(segments).toBeLessThan((await expire({ dryRun: true })).segments)
})

test('what a dry run lists goes, and nothing else; what makes each kept backup consistent stays', async () => {
  const before = await archived()
  const dry = await expire({ dryRun: true })
  expect(dry.left).toBeUndefined()
  expect(dry.segments).toBeGreaterThan(5)
  expect(dry.bytes).toBeGreaterThan(0)
  expect(await archived()).toEqual(before)

  expect(await expire()).toEqual(dry)
  const after = await archived()
  expect(before.length - after.length).toBe(dry.segments)
  for (const { reference } of all()) for (const wal of [reference?.walStart, reference?.walStop]) expect(after).toContain(wal)
  const begin = String(points.base.reference?.walStart)
  expect(after.filter((wal) => wal >= begin)).toEqual(before.filter((wal) => wal >= begin))
  expect(await expire()).toEqual({ segments: 0, bytes: 0 })
})

test.each(['old', 'oldIncremental'] as const)('the kept point "%s" is restored to its mark, and holds what it held', async (name) => {
  const point = points[name]
  const { lsn, timeline = 1 } = point.consistency
  const marked = segmentName({ timeline, number: segmentBefore(parseLsn(String(lsn))) })
  expect(await archived()).not.toContain(marked)
  await inCopy(source, point, {}, async ({ target }) => {
    const assertions = await source.driver.verify(quiet(), point, target, { depth: 'full', assertions: [] })
    expect(assertions.filter(({ ok }) => !ok)).toEqual([])
    expect(assertions.map((one) => one.name)).toEqual(
      expect.arrayContaining(['restore point', 'position', 'sequence public.orders_id_seq']),
    )
  })
})

test('the engine finds nothing wrong with what is left, for any of the points', async () => {
  for (const point of all()) expect(await source.driver.verifyRepository(quiet(), point)).toEqual({ ok: true, problems: [] })
})

test('a moment inside the window is reached', async () => {
  const { time, rows } = moments.inside
  const { pointId } = await source.driver.plan({ time }, all())
  expect(pointId).toBe(points.base.id)
  await inCopy(source, points.base, { to: { time }, promote: true }, async (_, query) => {
    expect(Number((await query('select count(*) as n from orders'))[0]?.n)).toBe(rows)
  })
})

test('a moment before it is refused, naming the window', async () => {
  const { time, lsn } = moments.between
  const { windows, gaps } = await source.driver.window()
  const window = windows.filter(({ alone }) => !alone)
  expect(window).toMatchObject([{ from: { label: points.base.reference?.label } }])
  expect(windows.filter(({ alone }) => alone).map(({ from }) => from.label)).toEqual(
    [points.old, points.oldIncremental].map(({ reference }) => reference?.label),
  )
  expect(gaps.map(({ expired }) => expired)).toEqual([true, true])
  for (const target of [{ time }, { lsn }])
    await expect(source.driver.plan(target, all())).rejects.toMatchObject({
      code: 'TARGET_OUT_OF_RANGE',
      message: expect.stringMatching(new RegExp(`first recoverable moment is ${window[0]?.from.time}.* last ${window[0]?.to.time}`)),
    })
})
