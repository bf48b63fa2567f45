/** Holds whose try is given up and comes to its effect late: the real step, in a real run. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createRetentionActivities } from '../../activities/retention.ts'
import type { Services } from '../../activities/services.ts'
import { createMemoryStore } from '../../src/storage/memory.ts'
import { addPoint, catalogOn } from '../support/catalog.ts'
import { POINT, sourceFakes } from '../support/workflows/source.ts'
import { openStage, type Stage } from '../support/workflows/stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => stage?.close())

test('a release that is tried again stands once, and its first try, late, lifts no hold that came after it', async () => {
  const store = createMemoryStore()
  const catalog = catalogOn(store)
  await addPoint(store, POINT)
  const config = { sources: { orders: { repository: 'hot' } } }
  const services = { config, catalog: async () => catalog } as unknown as Services
  const { holdPoint } = createRetentionActivities(services)
  const run = (held: boolean) =>
    stage.client.workflow.execute('holdRecoveryPoint', {
      taskQueue: 'holdfast',
      workflowId: `hold-${held}`,
      args: [{ source: 'orders', recoveryPoint: POINT, held, actor: 'ana', reason: held ? 'legal case' : 'over' }],
    })
  const given: Parameters<typeof holdPoint>[0][] = []
  const hold: typeof holdPoint = async (input) => {
    given.push(input)
    if (given.length === 1) throw new Error('given up before its effect')
    await holdPoint(input)
  }
  await stage.play(sourceFakes({ holdPoint: hold }), async () => {
    await run(false)
    await run(true)
  })
  for (const input of given) await holdPoint(input)
  const holds = await catalog.holdsOf('orders', POINT)
  expect(holds.map(({ held, reason }) => [held, reason])).toEqual([
    [false, 'over'],
    [true, 'legal case'],
  ])
})
