import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Connection } from '@temporalio/client'
import { NAMESPACE, openTemporalSample, workflowsPath } from '../../scripts/sources/temporal.ts'
import type { Target } from '../../src/drivers/driver.ts'
import { processesIn } from '../../src/process/in-folder.ts'
import { temporalSource } from '../../src/drivers/temporal/config.ts'
import { createTemporal } from '../../src/drivers/temporal/index.ts'
import { until } from '../../src/process/wait.ts'
import { describeDriver, type DriverHarness, type Tampering } from '../conformance/driver.ts'

const on = async (target: Target, work: (connection: Connection, namespace: string) => Promise<unknown>): Promise<void> => {
  const connection = await Connection.connect({ address: target.connection })
  await work(connection, target.database).finally(() => connection.close())
}

/** The list of schedules lags behind. */
const untilListed = ({ workflowService }: Connection, namespace: string, count: number) =>
  until(async () => (await workflowService.listSchedules({ namespace, maximumPageSize: 100 })).schedules.length === count, {
    timeoutMs: 30_000,
    what: `${count} schedules in the list`,
  })

/** Changes a schedule, and puts back what it was. */
function schedule(name: string, id: string, red: RegExp, alter: (state: Record<string, unknown>) => void): Tampering {
  let before: object | null | undefined
  const update = (target: Target, to: object | null | undefined) =>
    on(target, ({ workflowService }, namespace) => workflowService.updateSchedule({ namespace, scheduleId: id, schedule: to ?? {} }))
  return {
    name,
    red,
    async change(target) {
      await on(target, async ({ workflowService }, namespace) => {
        before = (await workflowService.describeSchedule({ namespace, scheduleId: id })).schedule
      })
      const altered = structuredClone(JSON.parse(JSON.stringify(before))) as Record<string, unknown>
      alter(altered)
      const { Schedule } = (await import('../../src/temporal/messages.ts')) as typeof import('../../src/temporal/messages.ts')
      await update(target, Schedule.fromObject(altered))
    },
    undo: (target) => update(target, before),
  }
}

/** Changes one byte of a file, and puts it back. */
function file(name: string, part: string, at: number, red: RegExp): Tampering {
  const flip = async ({ dir }: Target) => {
    const path = join(dir, 'histories', part)
    const bytes = await readFile(path)
    const index = at < 0 ? bytes.length + at : at
    bytes[index] = (bytes[index] ?? 0) ^ 1
    await writeFile(path, bytes)
  }
  return { name, red, change: flip, undo: flip }
}

function cut(name: string, part: string, red: RegExp): Tampering {
  let whole = Buffer.alloc(0)
  const path = ({ dir }: Target) => join(dir, 'histories', part)
  return {
    name,
    red,
    async change(target) {
      whole = await readFile(path(target))
      await writeFile(path(target), whole.subarray(0, whole.length - 7))
    },
    undo: (target) => writeFile(path(target), whole),
  }
}

async function leaks(target: Target): Promise<string[]> {
  const found: string[] = []
  if (!/^127\.0\.0\.1:\d+$/.test(target.connection)) found.push(`it listens on ${target.connection}`)
  await on(target, async ({ workflowService }, namespace) => {
    const { schedules } = await workflowService.listSchedules({ namespace, maximumPageSize: 100 })
    for (const { scheduleId, info } of schedules) if (!info?.paused) found.push(`${scheduleId} runs`)
    const { count } = await workflowService.countWorkflowExecutions({ namespace })
    if (String(count) !== '0') found.push(`${count} runs were started`)
  })
  return found
}

async function openHarness(): Promise<DriverHarness> {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-temporal-sample-'))
  const scratchRoot = await mkdtemp(join(tmpdir(), 'holdfast-scratch-'))
  const sample = await openTemporalSample(dir)
  const config = temporalSource.parse({ driver: 'temporal', repository: 'hot', ...sample.config })
  const orchestrator = { address: sample.server.address, namespace: 'default' }
  const state = async () => {
    const { count } = await sample.client.workflowService.countWorkflowExecutions({ namespace: NAMESPACE })
    return `${await sample.contents()}\n${count} runs`
  }
  return {
    // Bundles of a few histories, so that there are several.
    driver: createTemporal(config, { source: 'orders', secret: async (name) => name, orchestrator }, { histories: 7, bytes: 1_000_000 }),
    scratchRoot,
    state,
    leftovers: () => sample.leftovers(),
    alive: async (folder) => (await processesIn(folder)).length > 0,
    leaks,
    assertions: {
      holds: { name: 'orders', runs: 'order', status: 'Completed', atLeast: 20 },
      red: [
        { name: 'too few', runs: 'order', atLeast: 21 },
        { name: 'another end', runs: 'refund', status: 'Completed' },
        { name: 'no such schedule', schedule: 'none' },
        { name: 'no such code', replay: { workflowsPath: '/nowhere/workflows.ts' } },
        { name: 'no such type', replay: { workflowsPath, types: ['none'] } },
      ],
    },
    tamperings: [
      schedule('a schedule that runs', 'report', /^no schedule runs$/, (altered) => {
        altered['state'] = { ...(altered['state'] as object), paused: false }
      }),
      schedule('another policy', 'report', /^schedules$/, (altered) => {
        altered['policies'] = { overlapPolicy: 1 }
      }),
      schedule('fewer actions left', 'campaign', /^schedules$/, (altered) => {
        altered['state'] = { ...(altered['state'] as object), remainingActions: 4 }
      }),
      {
        name: 'an added schedule',
        red: /^no other schedules$/,
        change: (target) =>
          on(target, async (connection, namespace) => {
            const { workflowService } = connection
            const { schedule: one } = await workflowService.describeSchedule({ namespace, scheduleId: 'cleanup' })
            await workflowService.createSchedule({ namespace, scheduleId: 'extra', schedule: one ?? {}, requestId: 'extra' })
            await untilListed(connection, namespace, 4)
          }),
        undo: (target) =>
          on(target, async (connection, namespace) => {
            await connection.workflowService.deleteSchedule({ namespace, scheduleId: 'extra' })
            await untilListed(connection, namespace, 3)
          }),
      },
      {
        name: 'another owner',
        red: /^namespace$/,
        change: (target) =>
          on(target, ({ workflowService }, namespace) =>
            workflowService.updateNamespace({
              namespace,
              updateInfo: { description: 'orders and what becomes of them', ownerEmail: 'other@example.com' },
            }),
          ),
        undo: (target) =>
          on(target, ({ workflowService }, namespace) =>
            workflowService.updateNamespace({
              namespace,
              updateInfo: { description: 'orders and what becomes of them', ownerEmail: 'shop@example.com' },
            }),
          ),
      },
      {
        name: 'an added search attribute',
        red: /^search attributes$/,
        change: (target) =>
          on(target, ({ operatorService }, namespace) =>
            operatorService.addSearchAttributes({ namespace, searchAttributes: { Extra: 5 } }),
          ),
        undo: (target) =>
          on(target, ({ operatorService }, namespace) =>
            operatorService.removeSearchAttributes({ namespace, searchAttributes: ['Extra'] }),
          ),
      },
      file('an altered history', 'recent/000001.histories', -5, /^histories of closed runs$/),
      cut('a bundle that was cut off', 'open/000001.histories', /open runs$/),
      file('an altered index', 'open/000001.index.ndjson', 20, /open runs$/),
    ],
    async close() {
      await sample.close()
      for (const folder of [dir, scratchRoot]) await rm(folder, { recursive: true, force: true })
    },
  }
}

describeDriver('temporal', openHarness)
