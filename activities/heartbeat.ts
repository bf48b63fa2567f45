/** Every activity heartbeats, also one that never says how far it is: that is how a cancel gets in and a dead worker is found out. */
import { Context } from '@temporalio/activity'
import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, Next } from '@temporalio/worker'
import { type Artifact, artifactSchema } from '../src/core/records.ts'
import type { Progress } from '../src/drivers/driver.ts'

const EVERY_MS = 1_000
const latest = new WeakMap<Context, Progress>()

/** What the next heartbeats of this activity carry. */
export function reportProgress(activity: Context, progress: Progress): void {
  latest.set(activity, progress)
}

const checkpoints = new WeakMap<Context, Artifact>()

/** From now on every heartbeat carries it as well, and Temporal gives the last one to the next try. */
export function keepCheckpoint(activity: Context, checkpoint: Artifact): void {
  checkpoints.set(activity, checkpoint)
  beat(activity)
}

/** What an earlier try kept. This one may end before it keeps anything: so it goes on with its own heartbeats. */
export function keptCheckpoint(activity: Context): Artifact | undefined {
  const details = activity.info.heartbeatDetails as { checkpoint?: unknown } | undefined
  const { data } = artifactSchema.safeParse(details?.checkpoint)
  if (data && !checkpoints.has(activity)) checkpoints.set(activity, data)
  return data
}

function beat(activity: Context): void {
  const checkpoint = checkpoints.get(activity)
  activity.heartbeat({ ...latest.get(activity), ...(checkpoint && { checkpoint }) })
}

/** Heartbeats until `body` ends; where the activity does already, once is enough. */
export async function beating<T>(activity: Context, body: () => Promise<T>): Promise<T> {
  if (latest.has(activity)) return body()
  reportProgress(activity, { phase: 'starting' })
  keptCheckpoint(activity)
  beat(activity)
  const beats = setInterval(() => beat(activity), EVERY_MS)
  try {
    return await body()
  } finally {
    clearInterval(beats)
  }
}

export class HeartbeatInterceptor implements ActivityInboundCallsInterceptor {
  async execute(input: ActivityExecuteInput, next: Next<ActivityInboundCallsInterceptor, 'execute'>): Promise<unknown> {
    return beating(Context.current(), () => next(input))
  }
}
