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

/** Heartbeats until `body` ends; where the activity does already, once is enough. */
export async function beating<T>(activity: Context, body: () => Promise<T>): Promise<T> {
  if (latest.has(activity)) return body()
  reportProgress(activity, { phase: 'starting' })
  activity.heartbeat(latest.get(activity))
  const beat = setInterval(() => activity.heartbeat(latest.get(activity)), EVERY_MS)
  try {
    return await body()
  } finally {
    clearInterval(beat)
  }
}

export class HeartbeatInterceptor implements ActivityInboundCallsInterceptor {
  async execute(input: ActivityExecuteInput, next: Next<ActivityInboundCallsInterceptor, 'execute'>): Promise<unknown> {
    return beating(Context.current(), () => next(input))
  }
}
