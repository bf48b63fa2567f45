/** The kept copy of one failback and the next: it is never taken for the loss of today, and never the last that goes. */
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Pair } from '../../scripts/toolbox/pair.ts'
import { reachableFolder } from '../../scripts/toolbox/postgres.ts'
import { fence } from '../../src/failover/database/fence.ts'
import { folderSink } from '../../src/failover/database/folder-sink.ts'
import { type Fork, findFork } from '../../src/failover/database/fork.ts'
import { removeExported } from '../../src/failover/database/kept-copy.ts'
import { exportLostWrites } from '../../src/failover/database/lost-writes.ts'
import { promote } from '../../src/failover/database/promote.ts'
import { beginMark, foldersOf } from '../../src/failover/database/rebuild-folders.ts'
import { reclone } from '../../src/failover/database/reclone.ts'
import { rejoin } from '../../src/failover/database/rejoin.ts'
import { rewind } from '../../src/failover/database/rewind.ts'
import { awaitStreaming } from '../../src/failover/database/streaming.ts'
import { catchUp, crash, failOver, holdBack, parseCsv, openSides, type Side } from '../support/failback.ts'

let pair: Pair
let east: Side
let west: Side
let folder: string

beforeAll(async () => {
  folder = await reachableFolder('holdfast-kept-')
  ;({ pair, east, west } = await openSides())
})
afterAll(async () => {
  await pair?.destroy()
  await rm(folder, { recursive: true, force: true })
})

/** East dies with rows that west never had. Gives the fork as it is found then. */
async function lose(sql: string, epoch: number): Promise<Fork> {
  await catchUp(east, west)
  await holdBack(west)
  await east.place.query(sql)
  await crash(east)
  await failOver(east, west, epoch)
  return findFork(east.site, west.site)
}

const exported = (fork: Fork, name: string) => exportLostWrites({ old: east.site, fork, sink: folderSink(join(folder, name)) })
const streams = (primary: Side, standby: Side, epoch: number) => awaitStreaming(primary.site, standby.site, { timeoutMs: 90_000, epoch })

async function rebuilt(fork: Fork, epoch: number): Promise<void> {
  await rewind({ site: east.site, primary: west.site, fork, epoch })
  await streams(west, east, epoch)
}

/** As `failover planned` does it, which knows nothing of kept copies. */
async function home(epoch: number): Promise<void> {
  const mustReach = await fence(west.site, { epoch, mode: 'planned', timeoutMs: 20_000 })
  await promote(east.site, { epoch, recordNoReturn: async () => {}, mustReach })
  await rejoin({ site: west.site, primary: east.site, epoch })
  await streams(east, west, epoch)
}

const unfit = (kept: string) => ({
  code: 'SOURCE_UNFIT',
  message: expect.stringContaining(kept),
  object: kept,
  next: expect.stringContaining(`rm -r ${kept} ${kept}.json`),
})

test('a copy that an earlier failback left is not taken for the loss of the next one: all that would replace the data refuses', async () => {
  const first = await lose('insert into t values (100)', 1)
  expect(await exported(first, 'first')).toMatchObject({ unknown: false, transactions: 1, tables: [{ rows: 1 }] })
  // That failback ends here: its plan is rejected, and nobody removes the copy.
  await rebuilt(first, 1)
  await home(2)
  const second = await lose('insert into t values (777), (778)', 3)
  expect(second).toMatchObject({ timeline: 3 })

  const { kept, data, mark } = foldersOf(east.site.dataDir)
  const request = { site: east.site, primary: west.site, fork: second, epoch: 3 }
  await expect(exported(second, 'stale')).rejects.toMatchObject(unfit(kept))
  await expect(rewind(request)).rejects.toMatchObject({ code: 'REWIND_FAILED', message: expect.stringContaining(kept) })
  await expect(reclone(request)).rejects.toMatchObject(unfit(kept))
  await expect(reclone({ ...request, fork: undefined }), 'where nobody knows the fork').rejects.toMatchObject(unfit(kept))
  expect(await findFork(east.site, west.site), 'still that of the data').toEqual(second)
  await beginMark(foldersOf(data), 'reclone')
  expect(await findFork(east.site, west.site), 'also where a rebuild is marked that moved nothing yet').toEqual(second)
  await rm(mark)

  // As the refusal says.
  await rm(kept, { recursive: true })
  await rm(`${kept}.json`)
  expect(await exported(second, 'second')).toMatchObject({ unknown: false, transactions: 1, tables: [{ rows: 2 }], warnings: [] })
  expect(parseCsv(await readFile(join(folder, 'second', 'lost.shop.public.t.csv'), 'utf8'))).toEqual([['id'], ['777'], ['778']])
  await rebuilt(second, 3)
  expect(await removeExported(east.site), 'all is exported').toBeUndefined()
  expect(await readdir(join(data, '..'))).not.toContain('data.before-rewind')
})

test('what could not be exported is kept through a re-clone, and stays until somebody has looked at it', async () => {
  await home(4)
  const fork = await lose('create table late (id int); insert into late values (1)', 5)
  const { kept, data } = foldersOf(east.site.dataDir)
  const wal = join(data, 'pg_wal')
  for (const name of (await readdir(wal)).filter((one) => /^[0-9A-F]{24}$/.test(one))) await rm(join(wal, name))
  expect(await exported(fork, 'unknown')).toMatchObject({ unknown: true })
  expect(await reclone({ site: east.site, primary: west.site, fork, epoch: 5 })).toMatchObject({ method: 'reclone' })
  await streams(west, east, 5)
  expect(await removeExported(east.site)).toBe(kept)
  expect(await readdir(kept), 'all of the old data').toContain('base')
})

test('what was exported but for its warnings is kept, too', async () => {
  const { kept } = foldersOf(east.site.dataDir)
  await rm(kept, { recursive: true })
  await rm(`${kept}.json`)
  await home(6)
  const fork = await lose('create table later (id int)', 7)
  expect(await exported(fork, 'warned')).toMatchObject({ unknown: false, warnings: [expect.stringContaining('changed the schema')] })
  await rebuilt(fork, 7)
  expect(await removeExported(east.site)).toBe(kept)
})
