/** The smallest run that can be hit: one activity after the other. */
import { proxyActivities } from '@temporalio/workflow'
import type * as activities from './activities.ts'

const { append, create } = proxyActivities<typeof activities>({ startToCloseTimeout: '3s', retry: { initialInterval: '100ms' } })

export async function crashDemo(input: activities.DemoInput): Promise<{ append: number; create: number }> {
  const created = await create(input)
  const appended = await append(input)
  return { append: appended.attempt, create: created.attempt }
}
