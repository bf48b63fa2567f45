/** Backups that a schedule starts, and their windows. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../../src/process/wait.ts'
import { createGate, endOf, sourceFakes } from '../support/workflows/source.ts'
import { type Fakes, openStage, type Stage } from '../support/workflows/stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => stage?.close())

let count = 0
/** A run that a schedule has started, as schedules do. */
async function scheduled() {
  const id = `windows-${++count}`
  const action = {
    type: 'startWorkflow',
    workflowType: 'backup',
    workflowId: id,
    taskQueue: 'holdfast',
    args: [{ source: 'orders' }],
  } as const
  const schedule = await stage.client.schedule.create({ scheduleId: id, spec: {}, action })
  await schedule.trigger()
  const started = await until(async () => (await schedule.describe()).info.recentActions[0], {
    timeoutMs: 60_000,
    what: 'the schedule to act',
  })
  await schedule.delete()
  return stage.client.workflow.getHandle(started.action.workflow.workflowId)
}
const soon = (ms: number) => new Date(Date.now() + ms).toISOString()

test('a scheduled backup waits for its window, holding nothing, and begins once it is open', async () => {
  const asked: string[] = []
  const windowOf = async ({ at }: { at: string }) => (asked.push(at) === 1 ? { opensAt: soon(2_000) } : {})
  await stage.play(sourceFakes({ windowOf } as Fakes), async () => {
    const run = await scheduled()
    expect(await run.result()).toMatchObject({ outcome: 'success' })
    expect(stage.ran.slice(0, 3)).toEqual(['windowOf', 'windowOf', 'acquireLock'])
    expect(Date.parse(asked[1] ?? '') - Date.parse(asked[0] ?? '')).toBeGreaterThanOrEqual(1_900)
  })
})

test('one that is not done when its window closes is stopped, leaves nothing and says why', async () => {
  const gate = createGate()
  const fakes = sourceFakes({ windowOf: async () => ({ closesAt: soon(4_000) }), dump: gate.wait(sourceFakes()['dump'] as never) })
  await stage.play(fakes, async () => {
    const run = await scheduled()
    expect(await endOf(run.result())).toMatchObject({ code: 'WINDOW_CLOSED', object: 'orders' })
    expect(stage.ran).toContain('discard')
    expect(stage.ran).not.toContain('publish')
    expect(gate.cancelled).toBe(1)
  })
})

test('what a person asks for is taken at once, whatever the window', async () => {
  const windowOf = async () => ({ opensAt: soon(3_600_000) })
  await stage.play(sourceFakes({ windowOf }), async () => {
    const run = await stage.client.workflow.start('backup', {
      taskQueue: 'holdfast',
      workflowId: `by-hand-${++count}`,
      args: [{ source: 'orders' }],
    })
    expect(await run.result()).toMatchObject({ outcome: 'success' })
    expect(stage.ran).not.toContain('windowOf')
  })
})
