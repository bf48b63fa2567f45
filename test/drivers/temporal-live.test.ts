import { join } from 'node:path'
import { Client, Connection } from '@temporalio/client'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { NAMESPACE } from '../../scripts/sources/temporal.ts'
import { startTemporal, type TemporalServer } from '../../scripts/toolbox/temporal.ts'
import type { Manifest } from '../../src/core/records.ts'
import type { LiveRestore, RestoreChoice, SourceDriver } from '../../src/drivers/driver.ts'
import { until } from '../../src/process/wait.ts'
import { contextFor } from '../conformance/driver.ts'
import { openTemporalBench, schedulesOf, type TemporalBench } from '../support/temporal.ts'

let bench: TemporalBench
let point: Manifest
beforeAll(async () => {
  bench = await openTemporalBench()
  point = await bench.take()
}, 120_000)
afterAll(() => bench?.close())

/** Each test has a cluster of its own to restore into: only its address and its namespace are the same as at home. */
let other: TemporalServer
let client: Client
beforeEach(async () => {
  other = await startTemporal()
  client = new Client({ connection: await Connection.connect({ address: other.address }), namespace: NAMESPACE })
})
afterEach(async () => {
  await client.connection.close()
  await other.stop()
})

const there = (): SourceDriver => bench.driver({ address: other.address })
const liveOf = (driver = there()): LiveRestore => driver.live as LiveRestore
const looking = () => ({ context: contextFor(), source: bench.source })
const filling = (choice: RestoreChoice, dir = 'aside') => ({ ...looking(), dir: join(bench.scratch, dir), choice })

async function restore(choice: RestoreChoice = {}, driver = there()) {
  const live = liveOf(driver)
  const confirm = await live.fingerprint()
  await live.check(point, confirm, choice, looking())
  await live.restoreAside(contextFor(), point, bench.source, { dir: join(bench.scratch, 'aside'), choice })
  return { confirm, ...(await live.swap(point, confirm, undefined, filling(choice))) }
}

const register = async (): Promise<void> => {
  await client.workflowService.registerNamespace({ namespace: NAMESPACE, workflowExecutionRetentionPeriod: { seconds: 86_400 as never } })
  const attributes = () =>
    client.connection.operatorService.listSearchAttributes({ namespace: NAMESPACE }).then(
      () => true,
      () => false,
    )
  await until(attributes, { timeoutMs: 30_000, what: 'the namespace' })
}
const runs = async (query: string) => {
  const { executions } = await client.workflowService.listWorkflowExecutions({ namespace: NAMESPACE, query, pageSize: 100 })
  return executions
}

describe('a restore into a live namespace', { timeout: 120_000 }, () => {
  it('is refused where the namespace is the one that runs it, whatever its address is called and whatever was confirmed', async () => {
    const { address } = bench.sample.server
    const own = { address: address.replace('127.0.0.1', 'localhost'), namespace: NAMESPACE }
    const live = liveOf(bench.driver({}, own))
    const before = await bench.sample.contents()
    const refused = { code: 'SOURCE_UNFIT', message: expect.stringContaining('runs this very restore') }
    const confirm = await live.fingerprint()
    await expect(live.check(point, confirm, { mode: 'replace' }, looking())).rejects.toMatchObject(refused)
    await expect(live.swap(point, confirm, undefined, filling({ mode: 'replace' }))).rejects.toMatchObject(refused)
    expect(await bench.sample.contents()).toBe(before)
  })

  it('is refused without its fingerprint, which is not that of a namespace of the same name elsewhere', async () => {
    await register()
    const [here, elsewhere] = [await liveOf(bench.driver()).fingerprint(), await liveOf().fingerprint()]
    expect(here).toMatch(/^[0-9a-f-]{36}\/[0-9a-f-]{36}$/)
    expect(elsewhere).not.toBe(here)
    await expect(liveOf().check(point, here, {}, looking())).rejects.toMatchObject({
      code: 'CONFIRM_MISMATCH',
      details: { fingerprint: elsewhere },
    })
    await expect(liveOf().swap(point, here, undefined, filling({}))).rejects.toMatchObject({ code: 'CONFIRM_MISMATCH' })
    expect(await schedulesOf(client, NAMESPACE)).toEqual({})
  })

  it('makes the namespace where there is none, with every schedule paused and a note of how it was; again, it makes nothing', async () => {
    const { confirm, notes } = await restore()
    expect(confirm).toMatch(/\/-$/)
    const { namespaceInfo, config } = await client.workflowService.describeNamespace({ namespace: NAMESPACE })
    expect(namespaceInfo).toMatchObject({
      description: 'orders and what becomes of them',
      ownerEmail: 'shop@example.com',
      data: { team: 'shop', tier: '1' },
    })
    expect(String(config?.workflowExecutionRetentionTtl?.seconds)).toBe('259200')
    const found = await schedulesOf(client, NAMESPACE)
    const marked = `restored by Holdfast from orders/${point.id}`
    expect(Object.fromEntries(Object.entries(found).map(([id, { paused, notes: note }]) => [id, `${paused} ${note}`]))).toEqual({
      report: `true ${marked}; running there`,
      campaign: `true ${marked}; running there`,
      cleanup: `true ${marked}; paused there, with the note: until the move is done`,
    })
    expect(notes).toContainEqual(expect.stringMatching(/^2 schedules that ran are paused now: temporal schedule toggle .*--unpause/))
    expect(notes).toContainEqual(expect.stringContaining('closed runs are not in the namespace'))
    await liveOf().swap(point, confirm, undefined, filling({}))
    expect(await schedulesOf(client, NAMESPACE)).toEqual(found)
    expect(await runs('')).toEqual([])
  })

  it('a second time, makes again what was lost since the first', async () => {
    const choice: RestoreChoice = { parts: ['schedules', 'open'], mode: 'upsert' }
    await restore(choice)
    await client.schedule.getHandle('campaign').delete()
    await client.workflow.getHandle('subscription-anna').terminate('by mistake')
    await liveOf().swap(point, await liveOf().fingerprint(), undefined, filling(choice, 'again'))
    expect(await client.schedule.getHandle('campaign').describe()).toMatchObject({ scheduleId: 'campaign' })
    expect((await client.workflow.getHandle('subscription-anna').describe()).status.name).toBe('RUNNING')
  })

  it('leaves a schedule that is there alone unless it may replace it, and refuses by default', async () => {
    await register()
    const action = { type: 'startWorkflow' as const, workflowType: 'order', taskQueue: 'shop' }
    await client.schedule.create({ scheduleId: 'report', spec: { intervals: [{ every: '900d' }] }, action, state: { note: 'mine' } })
    const mine = (await schedulesOf(client, NAMESPACE))['report']
    await expect(restore()).rejects.toMatchObject({
      code: 'SOURCE_UNFIT',
      message: expect.stringContaining('schedules of the point already: report'),
    })
    expect(await schedulesOf(client, NAMESPACE)).toEqual({ report: mine })
    const { notes } = await restore({ mode: 'upsert' })
    const upserted = await schedulesOf(client, NAMESPACE)
    expect(Object.keys(upserted).sort()).toEqual(['campaign', 'cleanup', 'report'])
    expect(upserted['report']).toEqual(mine)
    expect(notes).toContainEqual('1 schedules were there and were left as they are: report')
    await restore({ mode: 'replace' })
    const replaced = (await schedulesOf(client, NAMESPACE))['report']
    expect(replaced).toMatchObject({ paused: true, notes: expect.stringContaining('running there') })
    expect(replaced?.spec).toBe((await schedulesOf(bench.sample.client, NAMESPACE))['report']?.spec)
  })

  it('lets schedules run again that ran, and only those, where it is told to', async () => {
    await restore({ parts: ['running-schedules'] })
    const found = await schedulesOf(client, NAMESPACE)
    expect(Object.fromEntries(Object.entries(found).map(([id, { paused }]) => [id, paused]))).toEqual({
      report: false,
      campaign: false,
      cleanup: true,
    })
  })

  it('is refused where a search attribute has another type, before anything is made', async () => {
    await register()
    await client.connection.operatorService.addSearchAttributes({ namespace: NAMESPACE, searchAttributes: { Amount: 2 } })
    const check = liveOf().check(point, await liveOf().fingerprint(), { mode: 'replace' }, looking())
    await expect(check).rejects.toMatchObject({ code: 'SOURCE_UNFIT', object: 'Amount' })
    expect(await schedulesOf(client, NAMESPACE)).toEqual({})
  })

  it('starts open runs only where it is told to: as they were started, under new run ids, children left to them, and once', async () => {
    const choice = { parts: ['open'] }
    const { confirm, notes } = await restore(choice)
    const started = async () => {
      const open = await runs('ExecutionStatus = "Running"')
      return open.map(({ execution, type }) => `${execution?.workflowId} ${type?.name} ${execution?.runId}`).sort()
    }
    await until(async () => (await started()).length === 2, { timeoutMs: 30_000, what: 'the runs to be listed' })
    const found = await started()
    expect(found.map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
      'subscription-anna subscription',
      'subscription-boris subscription',
    ])
    expect(notes).toContainEqual('2 open runs were started again from their beginning; 2 children are left to their parents')
    const before = await bench.sample.client.workflow.getHandle('subscription-anna').describe()
    const now = await client.workflow.getHandle('subscription-anna').describe()
    expect(now.runId).not.toBe(before.runId)
    expect(now).toMatchObject({ memo: before.memo, taskQueue: before.taskQueue })
    expect(now.searchAttributes).toMatchObject({ Customer: ['subscription-anna'], Amount: [7] })
    await liveOf().swap(point, confirm, undefined, filling(choice))
    expect(await started()).toEqual(found)
    expect(await schedulesOf(client, NAMESPACE)).toEqual({})
  })

  it('refuses a part that there is not', async () => {
    await expect(restore({ parts: ['timers'] })).rejects.toMatchObject({ code: 'INPUT_INVALID', object: 'timers' })
  })
})
