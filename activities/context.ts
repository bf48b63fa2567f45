/** The bridge between an activity and a driver, which knows no Temporal: cancellation in, progress out as heartbeats. */
import { Context } from '@temporalio/activity'
import type { DriverContext, Progress } from '../src/drivers/driver.ts'
import { requireCurrent } from './straggler.ts'

const EVERY_MS = 1_000

export interface RunningContext extends DriverContext {
  readonly attempt: number
  readonly workflowId: string
  readonly runId: string
  /** Throws CANCELLED where Temporal no longer waits for this try: asked right before what must not happen twice. */
  requireCurrent(): Promise<void>
}

/** Runs `body` with a heartbeat of its latest progress each second: that is also how a cancel gets in. */
export async function withProgress<T>(body: (context: RunningContext) => Promise<T>): Promise<T> {
  const activity = Context.current()
  let latest: Progress = { phase: 'starting' }
  const beat = setInterval(() => activity.heartbeat(latest), EVERY_MS)
  try {
    activity.heartbeat(latest)
    return await body({
      signal: activity.cancellationSignal,
      onProgress: (progress) => {
        latest = progress
      },
      attempt: activity.info.attempt,
      workflowId: activity.info.workflowExecution?.workflowId ?? '',
      runId: activity.info.workflowExecution?.runId ?? '',
      requireCurrent: () => requireCurrent(activity),
    })
  } finally {
    clearInterval(beat)
  }
}
