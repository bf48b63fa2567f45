/** A swap that Temporal has given up can ask, and hears of it. */
import { Context } from '@temporalio/activity'
import { expect, it } from 'vitest'
import { createRestoreActivities } from '../../activities/restore.ts'
import type { Services } from '../../activities/services.ts'
import type { Filling } from '../../src/drivers/driver.ts'
import { inActivity } from '../support/activity.ts'

const live = {
  swap: async (_manifest: unknown, _confirm: string, _oid: unknown, filling: Filling) => {
    await filling.stillWanted?.()
    return { database: 'orders' }
  },
}
const services = {
  config: { sources: { orders: {} }, encryption: {} },
  scratchRoot: () => '/scratch',
  driver: async () => ({ live }),
  store: async () => ({}),
  catalog: async () => ({ readManifest: async () => ({ manifest: {} }), headers: () => undefined }),
} as unknown as Services
/** As this try, while Temporal waits for the second. */
const swapIn = (attempt: number) =>
  inActivity(() => {
    const describeWorkflowExecution = async () => ({ pendingActivities: [{ activityId: 'swap', attempt: 2 }] })
    Object.assign(Context.current(), { client: { workflowService: { describeWorkflowExecution } } })
    Object.assign(Context.current().info, { activityId: 'swap' })
    return createRestoreActivities(services).swapIn({ source: 'orders', id: 'x', instance: 'restore-1', confirm: '' })
  }, attempt)

it('a try that is waited for swaps; one that was given up is told before it touches anything', async () => {
  expect(await swapIn(2)).toEqual({ database: 'orders' })
  await expect(swapIn(1)).rejects.toMatchObject({ code: 'CANCELLED' })
})
