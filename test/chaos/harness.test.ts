import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Client, Connection } from '@temporalio/client'
import { bundleWorkflowCode } from '@temporalio/worker'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { run } from '../../src/process/run.ts'
import { findProgram } from '../../scripts/toolbox/find.ts'
import { startTemporal, type TemporalServer } from '../../scripts/toolbox/temporal.ts'
import { type CrashResult, runWithCrash } from '../support/crash/harness.ts'
import { activitiesOf } from '../support/crash/history.ts'
import type { CrashTime } from '../support/crash/plan.ts'

const DEMO = fileURLToPath(new URL('../support/crash/demo/', import.meta.url))

let server: TemporalServer
let connection: Connection
let client: Client
let shared: string
let bundle: string
let folder: string

beforeAll(async () => {
  shared = await mkdtemp(join(tmpdir(), 'holdfast-harness-'))
  server = await startTemporal()
  connection = await Connection.connect({ address: server.address })
  client = new Client({ connection })
  const { code } = await bundleWorkflowCode({ workflowsPath: join(DEMO, 'workflow.ts') })
  bundle = join(shared, 'bundle.js')
  await writeFile(bundle, code)
})

afterAll(async () => {
  await connection?.close()
  await server?.stop()
  await rm(shared, { recursive: true, force: true })
})

beforeEach(async () => {
  folder = await mkdtemp(join(shared, 'run-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

function crash(activity: string, when: CrashTime): Promise<CrashResult> {
  const taskQueue = `demo-${Math.random().toString(36).slice(2)}`
  const startWorkflow = () =>
    client.workflow.start('crashDemo', { taskQueue, workflowId: taskQueue, workflowTaskTimeout: '2s', args: [{ folder }] })
  return runWithCrash({
    workerEntry: join(DEMO, 'worker.ts'),
    workerArgs: [server.address, taskQueue, bundle],
    startWorkflow,
    activity,
    when,
  })
}

/** Which attempt's completion the run took. */
const attemptOf = (outcome: CrashResult['outcome'], activity: 'append' | 'create') =>
  'value' in outcome ? (outcome.value as Record<typeof activity, number>)[activity] : undefined

const lines = (name: string) => readFile(join(folder, name), 'utf8').then((text) => text.trim().split('\n'))

describe('the crash harness', () => {
  it('kills a worker before the effect: the second attempt has it, once', async () => {
    const { outcome, crashed, late } = await crash('append', 'before')
    expect(outcome).toEqual({ value: { append: 2, create: 1 } })
    expect(crashed).toMatchObject({ activityType: 'append', attempt: 1 })
    expect(late).toBeUndefined()
    expect(await lines('appended')).toEqual(['2'])
  })

  it('kills a worker after the effect: an idempotent activity does not double it', async () => {
    const { outcome } = await crash('create', 'after')
    expect(outcome).toEqual({ value: { append: 1, create: 2 } })
    expect(await lines('created')).toEqual(['1'])
  })

  it('kills a worker after the effect: one that is not idempotent is found out', async () => {
    const { outcome } = await crash('append', 'after')
    expect(outcome).toEqual({ value: { append: 2, create: 1 } })
    expect(await lines('appended')).toEqual(['1', '2'])
  })

  it('freezes a worker before the effect: thawed, it has its effect late and its completion is ignored', async () => {
    const { handle, outcome, late } = await crash('append', 'freeze')
    const attempt = attemptOf(outcome, 'append')
    expect(attempt).toBeGreaterThan(1)
    expect(late).toBe('resolved')
    expect(await lines('appended')).toEqual(expect.arrayContaining(['1', String(attempt)]))
    const { events } = await handle.fetchHistory()
    expect(events?.filter((event) => event.activityTaskCompletedEventAttributes)).toHaveLength(2)
    expect(events?.filter((event) => event.activityTaskStartedEventAttributes).at(-1)).toMatchObject({
      activityTaskStartedEventAttributes: { attempt },
    })
  })

  it('freezes a worker after the effect: only its completion is late, and ignored', async () => {
    const { outcome, late } = await crash('create', 'freeze-after')
    expect(attemptOf(outcome, 'create')).toBeGreaterThan(1)
    expect(late).toBe('resolved')
    expect(await lines('created')).toEqual(['1'])
  })

  it('says so where the run never comes to the activity', async () => {
    await expect(crash('vanish', 'before')).rejects.toThrow('the run ended without this activity')
  })
})

describe('the activities of a history', () => {
  it('are the same from the server and from what the command line prints', async () => {
    const { handle } = await crash('append#2', 'before')
    const expected = [
      { type: 'create', id: '1', local: false, name: 'create' },
      { type: 'append', id: '2', local: false, name: 'append' },
    ]
    expect(activitiesOf(await handle.fetchHistory())).toEqual(expected)
    const shown = await run({
      program: findProgram('temporal'),
      args: ['workflow', 'show', '--address', server.address, '-w', handle.workflowId, '-o', 'json'],
    })
    expect(activitiesOf(JSON.parse(shown.stdout))).toEqual(expected)
  })

  it('are named with their id where several are of one type, and include local ones', () => {
    const scheduled = (activityId: string) => ({ activityTaskScheduledEventAttributes: { activityId, activityType: { name: 'dump' } } })
    const data = Buffer.from(JSON.stringify({ activity_type: 'read', activity_id: '3' })).toString('base64')
    const local = { markerRecordedEventAttributes: { markerName: 'core_local_activity', details: { data: { payloads: [{ data }] } } } }
    expect(
      activitiesOf({ events: [scheduled('1'), {}, scheduled('2'), local] }).map(({ name, local: isLocal }) => [name, isLocal]),
    ).toEqual([
      ['dump#1', false],
      ['dump#2', false],
      ['read', true],
    ])
  })
})
