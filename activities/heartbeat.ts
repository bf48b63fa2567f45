/** Every activity heartbeats, also one that never says how far it is: that is how a cancel gets in and a dead worker is found out. */
import { Context } from '@temporalio/activity'
import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, Next } from '@temporalio/worker'
import type { Progress } from '../src/drivers/driver.ts'

const EVERY_MS = 1_000
const latest = new WeakMap<Context, Progress>()

/** What the next heartbeats of this activity carry. */
export function reportProgress(activity: Context, progress: Progress): void {
  latest.set(activity, progress)
}

export class HeartbeatInterceptor implements ActivityInboundCallsInterceptor {
  async execute(input: ActivityExecuteInput, next: Next<ActivityInboundCallsInterceptor, 'execute'>): Promise<unknown> {
    const activity = Context.current()
    const beat = setInterval(() => activity.heartbeat(latest.get(activity) ?? { phase: 'running' }), EVERY_MS)
    try {
      return await next(input)
    } finally {
      clearInterval(beat)
    }
  }
}
