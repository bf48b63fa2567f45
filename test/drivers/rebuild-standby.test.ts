/** The other side of a real pair made a streaming standby again: whatever became of it, and without a look at who is at home. */
import { chown, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createHostActivities } from '../../activities/host.ts'
import { createPairActivities } from '../../activities/pair.ts'
import type { Services } from '../../activities/services.ts'
import type { Pair } from '../../scripts/toolbox/pair.ts'
import type { Config } from '../../src/config/schema.ts'
import type { StandbyReport } from '../../src/contract/failover.ts'
import { type Ended, type RunView, viewQuery } from '../../src/contract/messages.ts'
import { readEpoch } from '../../src/failover/database/epoch.ts'
import { unpin } from '../../src/failover/database/pin.ts'
import { slotsOf } from '../../src/failover/database/replication.ts'
import { inspectSite } from '../../src/failover/database/site.ts'
import { until } from '../../src/process/wait.ts'
import { createMemoryStore } from '../../src/storage/memory.ts'
import { catchUp, crash, failOver, holdBack, openSides, ownSettings, type Side } from '../support/failback.ts'
import { failing } from '../support/workflows/failing.ts'
import { pairFakes } from '../support/workflows/pair.ts'
import { type Fakes, failureOf, openStage, type Stage } from '../support/workflows/stage.ts'

let pair: Pair
let east: Side
let west: Side
let stage: Stage
const store = createMemoryStore()

beforeAll(async () => {
  stage = await openStage()
  ;({ pair, east, west } = await openSides())
})
afterAll(async () => {
  await pair?.destroy()
  await stage?.close()
})
beforeEach(async () => {
  for await (const { key } of store.list('')) await store.delete(key)
})

function activities(): Fakes {
  const at = (side: Side, host: string) => ({ ...side.place.config, host })
  const group = {
    primary: 'east',
    sites: { east: at(east, 'db1'), west: at(west, 'db2') },
    database: pair.database,
    source: 'orders',
    fence: [{ type: 'stop-instance', timeout: '20s' }],
    traffic: [],
    checks: [],
    maxLag: '16MB',
    approvals: { count: 0, within: '1m' },
  }
  const config = {
    failoverGroups: { shop: group },
    sources: { orders: { driver: 'postgres-logical', repository: 'hot' } },
    encryption: { recipients: [] },
  }
  const services = { config: config as unknown as Config, store: async () => store } as unknown as Services
  const { writeEvidence } = pairFakes()
  return failing({ ...createPairActivities(services), ...createHostActivities(services), writeEvidence } as Fakes)
}

let count = 0
const start = () =>
  stage.client.workflow.start('rebuildStandby', {
    taskQueue: 'holdfast',
    workflowId: `rebuild-standby-${++count}`,
    args: [{ group: 'shop', requestedBy: 'ana' }],
  })
/** Its report; what it asks an operator for is a failure here. */
const rebuilt = (): Promise<StandbyReport & Ended> =>
  stage.play(activities(), async () => {
    const run = await start()
    const asked = async () => {
      const { awaiting } = (await run.query(viewQuery)) as RunView
      if (awaiting) await run.terminate(awaiting.why)
      return (await run.describe()).status.name !== 'RUNNING'
    }
    await until(asked, { timeoutMs: 110_000, everyMs: 100, what: 'the rebuild' })
    return run.result() as Promise<StandbyReport & Ended>
  })

async function beside({ site }: Side): Promise<string[]> {
  return (await readdir(dirname(site.dataDir))).filter((name) => name.startsWith('data.') && name !== 'data.holdfast').sort()
}
const nextEpoch = async () => 1 + Math.max(...(await Promise.all([east, west].map(({ site }) => readEpoch(site)))))

const exported = async () => {
  const keys: string[] = []
  for await (const { key } of store.list('holdfast/v1/orders/lost-')) keys.push(key)
  return keys
}
const ids = async ({ place }: Side) => (await place.query('select id from t order by 1')).map(({ id }) => Number(id))

test('a standby that streams is left alone', async () => {
  const [before] = await west.place.query('select pg_postmaster_start_time()::text as at')
  expect(await rebuilt()).toMatchObject({ outcome: 'success', primary: 'east', standby: 'west', method: 'none' })
  expect((await west.place.query('select pg_postmaster_start_time()::text as at'))[0]).toEqual(before)
})

test('one that was stopped is started, and nothing is copied', async () => {
  await west.place.supervise('stop')
  await east.place.query('insert into t values (0)')
  expect(await rebuilt()).toMatchObject({ outcome: 'success', method: 'none' })
  await catchUp(east, west)
  expect(await ids(west)).toEqual([0])
})

test('one that fell out of its log, and one whose data is gone, stream again by a new copy; nothing is left beside', async () => {
  await holdBack(west)
  await east.place.query(`select pg_drop_replication_slot('${pair.slot}')`)
  await east.place.query('insert into t values (1)')
  expect(await rebuilt()).toMatchObject({ outcome: 'success', method: 'reclone', lost: { known: true, transactions: 0 } })
  await catchUp(east, west)
  expect(await ids(west)).toEqual([0, 1])
  expect(await beside(west)).toEqual([])

  await ownSettings(pair)
  await west.place.supervise('stop')
  await rm(west.site.dataDir, { recursive: true })
  expect(await rebuilt()).toMatchObject({ outcome: 'success', method: 'reclone' })
  await east.place.query('insert into t values (2)')
  await catchUp(east, west)
  expect(await ids(west)).toEqual([0, 1, 2])
  expect(await beside(west)).toEqual([])
  expect(await exported()).toEqual([])
})

test('a primary of before gives what only it has, also where the other side is at home', async () => {
  await failOver(east, west, await nextEpoch())
  expect(await rebuilt()).toMatchObject({ primary: 'west', standby: 'east', method: 'rewind' })
  await catchUp(west, east)
  expect(await slotsOf(east.site), 'its own would keep its log for ever').toEqual([])
  await holdBack(east)
  await west.place.query('insert into t values (100)')
  await crash(west)
  await failOver(west, east, await nextEpoch())
  await east.place.query('insert into t values (3)')
  const report = await rebuilt()
  expect(report).toMatchObject({
    outcome: 'success',
    primary: 'east',
    standby: 'west',
    method: 'rewind',
    lost: { known: true, transactions: 1 },
  })
  expect(await exported()).toEqual([expect.stringMatching(/lost\.shop\.public\.t\.csv/)])
  await catchUp(east, west)
  expect(await ids(west)).toEqual([0, 1, 2, 3])
  expect(await beside(west)).toEqual([])
})

test('a primary of before that somebody has started as a standby still gives what only it has', async () => {
  await holdBack(west)
  await east.place.query('insert into t values (200)')
  await crash(east)
  await failOver(east, west, await nextEpoch())
  await unpin(east.site, await readEpoch(east.site))
  await writeFile(join(east.site.dataDir, 'standby.signal'), '')
  await chown(join(east.site.dataDir, 'standby.signal'), (await stat(east.site.dataDir)).uid, (await stat(east.site.dataDir)).gid)
  await east.place.supervise('unmask')
  await east.place.supervise('start')
  expect((await inspectSite(east.site)).role).toBe('standby')
  expect(await rebuilt()).toMatchObject({ outcome: 'success', primary: 'west', standby: 'east', lost: { transactions: 1 } })
  expect(await exported()).toEqual([expect.stringMatching(/lost\.shop\.public\.t\.csv/)])
  await catchUp(west, east)
  expect(await ids(east)).toEqual([0, 1, 2, 3])
})

test('is refused while both sides take writes, and changes nothing', async () => {
  await east.place.query('select pg_promote()')
  await until(async () => (await inspectSite(east.site)).role === 'primary', { timeoutMs: 30_000, what: 'the promotion' })
  const failed = await stage.play(activities(), async () => failureOf((await start()).result()))
  expect(failed).toMatchObject({ code: 'NOT_READY', message: expect.stringContaining('take writes') })
  expect([(await inspectSite(east.site)).role, (await inspectSite(west.site)).role]).toEqual(['primary', 'primary'])
})
