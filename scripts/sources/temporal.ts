/** A Temporal of its own with a namespace: runs that ended in every way, runs that go on, schedules that run and one that is paused. */
import { fileURLToPath } from 'node:url'
import { Client, Connection } from '@temporalio/client'
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common'
import { NativeConnection, Worker } from '@temporalio/worker'
import { canonicalBytes } from '../../src/catalog/canonical.ts'
import { until } from '../../src/process/wait.ts'
import { findProgram } from '../toolbox/find.ts'
import { startTemporal, type TemporalServer } from '../toolbox/temporal.ts'
import type { OpenSample, SampleSource } from './sample.ts'

export const NAMESPACE = 'shop'
const QUEUE = 'shop'
const customer = defineSearchAttributeKey('Customer', SearchAttributeType.KEYWORD)
const amount = defineSearchAttributeKey('Amount', SearchAttributeType.INT)
const attributes = (name: string, number: number) => [
  { key: customer, value: name },
  { key: amount, value: number },
]

export const workflowsPath = fileURLToPath(new URL('./temporal-workflows.ts', import.meta.url))

export interface TemporalSample extends SampleSource {
  server: TemporalServer
  client: Client
  /** Runs `work` while a worker serves the workflows. */
  working<T>(work: () => Promise<T>): Promise<T>
}

export const openTemporal: OpenSample = (dir) => openTemporalSample(dir)

export async function openTemporalSample(_dir: string): Promise<TemporalSample> {
  const server = await startTemporal()
  try {
    const connection = await Connection.connect({ address: server.address })
    const client = new Client({ connection, namespace: NAMESPACE })
    await makeNamespace(client)
    const sample = sampleOn(server, client)
    await sample.working(() => makeRuns(client))
    await makeSchedules(client)
    return sample
  } catch (error) {
    await server.stop()
    throw error
  }
}

function sampleOn(server: TemporalServer, client: Client): TemporalSample {
  return {
    server,
    client,
    working: (work) => withWorker(server, work),
    driver: 'temporal',
    config: {
      address: server.address,
      namespace: NAMESPACE,
      settle: '0s',
      programs: { temporal: findProgram('temporal') },
      verify: {
        assertions: [
          { name: 'orders were packed', runs: 'order', status: 'Completed', atLeast: 20 },
          { name: 'the report is scheduled', schedule: 'report' },
          { name: 'replay', replay: { workflowsPath, sample: 10 } },
        ],
      },
    },
    env: {},
    contents: () => contentsOf(client),
    change: () => change(client),
    destroy: () => destroy(client),
    leftovers: () => leftoversOf(client),
    async close() {
      await client.connection.close()
      await server.stop()
    },
  }
}

async function makeNamespace({ connection: { workflowService, operatorService } }: Client): Promise<void> {
  await workflowService.registerNamespace({
    namespace: NAMESPACE,
    description: 'orders and what becomes of them',
    ownerEmail: 'shop@example.com',
    data: { team: 'shop', tier: '1' },
    workflowExecutionRetentionPeriod: { seconds: 259_200 as never },
  })
  const known = () =>
    operatorService.addSearchAttributes({ namespace: NAMESPACE, searchAttributes: { Customer: 2, Amount: 3 } }).then(
      () => true,
      () => false,
    )
  await until(known, { timeoutMs: 30_000, what: 'the namespace of the sample' })
}

async function withWorker<T>({ address }: TemporalServer, work: () => Promise<T>): Promise<T> {
  const connection = await NativeConnection.connect({ address })
  try {
    const worker = await Worker.create({ connection, namespace: NAMESPACE, taskQueue: QUEUE, workflowsPath })
    return await worker.runUntil(work)
  } finally {
    await connection.close()
  }
}

async function makeRuns(client: Client): Promise<void> {
  const start = (type: string, workflowId: string, arg: unknown, number = 0) =>
    client.workflow.start(type, {
      taskQueue: QUEUE,
      workflowId,
      args: [arg],
      memo: { from: 'sample' },
      typedSearchAttributes: attributes(workflowId, number),
    })
  const ended = [
    ...Array.from({ length: 20 }, (_, number) => start('order', `order-${number}`, number, number)),
    ...Array.from({ length: 3 }, (_, number) => start('refund', `refund-${number}`, number, number)),
    start('countdown', 'countdown', 3),
  ]
  for (const handle of await Promise.all(ended)) await handle.result().catch(() => {})
  const dropped = await start('reminder', 'dropped', 'nobody')
  await dropped.terminate('dropped')
  for (const name of ['anna', 'boris']) await start('subscription', `subscription-${name}`, name, 7)
  const waits = () => client.workflow.getHandle('boris/reminder').describe()
  await until(() => waits().catch(() => undefined), { timeoutMs: 60_000, what: 'the children of the sample' })
  const { workflowService } = client.connection
  const open = async () =>
    (await workflowService.countWorkflowExecutions({ namespace: NAMESPACE, query: 'ExecutionStatus = "Running"' })).count
  await until(async () => String(await open()) === '4', { timeoutMs: 60_000, what: 'the open runs of the sample' })
}

/** None of them is due within the time of a test. */
async function makeSchedules({ schedule }: Client): Promise<void> {
  const action = { type: 'startWorkflow' as const, workflowType: 'order', taskQueue: QUEUE, args: [1], memo: { by: 'schedule' } }
  await schedule.create({
    scheduleId: 'report',
    spec: { calendars: [{ month: 'JANUARY', dayOfMonth: 1, hour: 5, comment: 'once a year' }], timezone: 'Europe/Berlin', jitter: '30s' },
    action,
    policies: { overlap: 'BUFFER_ONE', catchupWindow: '1h' },
    memo: { owner: 'reports' },
    typedSearchAttributes: attributes('reports', 1),
  })
  await schedule.create({
    scheduleId: 'cleanup',
    spec: { cronExpressions: ['0 3 1 1 *'] },
    action,
    state: { paused: true, note: 'until the move is done' },
  })
  await schedule.create({
    scheduleId: 'campaign',
    spec: { intervals: [{ every: '3650d', offset: '10d' }] },
    action,
    state: { remainingActions: 5 },
  })
  await until(async () => (await listed(schedule)).length === SCHEDULES.length, { timeoutMs: 30_000, what: 'the list of schedules' })
}

const SCHEDULES = ['campaign', 'cleanup', 'report']

async function listed(schedule: Client['schedule']): Promise<string[]> {
  const ids: string[] = []
  for await (const { scheduleId } of schedule.list()) ids.push(scheduleId)
  return ids
}

/** How it is set up, and its schedules but for whether they are paused: a restore pauses them. Closed runs cannot be restored. */
async function contentsOf({ schedule: schedules, connection: { workflowService, operatorService } }: Client): Promise<string> {
  const { namespaceInfo, config } = await workflowService.describeNamespace({ namespace: NAMESPACE })
  const { customAttributes } = await operatorService.listSearchAttributes({ namespace: NAMESPACE })
  const lines = [
    `${namespaceInfo?.description} ${namespaceInfo?.ownerEmail} ${inOrder(namespaceInfo?.data)} ${config?.workflowExecutionRetentionTtl?.seconds}`,
    ...Object.entries(customAttributes).map(([name, type]) => `attribute ${name}: ${type}`),
  ]
  // Their list lags behind: those that are known are asked for.
  for (const scheduleId of new Set([...SCHEDULES, ...(await listed(schedules))])) {
    const found = await workflowService.describeSchedule({ namespace: NAMESPACE, scheduleId }).catch(() => undefined)
    if (!found) continue
    const { schedule, memo, searchAttributes } = found
    const { paused: _, notes: __, ...state } = schedule?.state ?? {}
    lines.push(`schedule ${scheduleId}: ${inOrder({ ...schedule, state, memo, searchAttributes })}`)
  }
  return lines.sort().join('\n')
}

/** Maps of the API come in any order. */
const inOrder = (value: unknown): string => canonicalBytes(JSON.parse(JSON.stringify(value))).toString('utf8')

async function change({ schedule }: Client): Promise<void> {
  await schedule.getHandle('report').update((previous) => ({ ...previous, spec: { intervals: [{ every: '900d' }] } }))
  await schedule.getHandle('campaign').delete()
  await until(async () => !(await listed(schedule)).includes('campaign'), { timeoutMs: 30_000, what: 'the schedule to be gone' })
}

/** All schedules, and a search attribute that they need. */
async function destroy({ schedule, connection: { operatorService } }: Client): Promise<void> {
  for (const id of await listed(schedule)) await schedule.getHandle(id).delete()
  await until(async () => (await listed(schedule)).length === 0, { timeoutMs: 30_000, what: 'the schedules to be gone' })
  await operatorService.removeSearchAttributes({ namespace: NAMESPACE, searchAttributes: ['Amount'] })
}

const EXPECTED = ['default', 'temporal-system', NAMESPACE]

async function leftoversOf({ connection: { workflowService } }: Client): Promise<string[]> {
  const { namespaces } = await workflowService.listNamespaces({ pageSize: 100 })
  return namespaces.map(({ namespaceInfo }) => namespaceInfo?.name ?? '').filter((name) => !EXPECTED.includes(name))
}
