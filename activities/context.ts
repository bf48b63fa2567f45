/** The bridge between an activity and a driver, which knows no Temporal: cancellation in, progress out as heartbeats. */
import { Context } from '@temporalio/activity'
import { hostOfQueue } from '../src/contract/vocabulary.ts'
import type { Artifact } from '../src/core/records.ts'
import type { DriverContext } from '../src/drivers/driver.ts'
import { beating, keepCheckpoint, keptCheckpoint, reportProgress } from './heartbeat.ts'
import { requireCurrent } from './straggler.ts'

export interface RunningContext extends DriverContext {
  readonly attempt: number
  readonly workflowId: string
  readonly runId: string
  /** The host whose queue brought it here: what it leaves is there, and nowhere else. */
  readonly host: string | undefined
  /** What an earlier try of this run kept. */
  readonly checkpoint: Artifact | undefined
  /** For the next try, should this one not end. */
  keep(checkpoint: Artifact): void
  /** Throws CANCELLED where Temporal no longer waits for this try: asked right before what must not happen twice. */
  requireCurrent(): Promise<void>
}

/** The host whose queue brought this activity here. */
export const hostHere = (): string | undefined => hostOfQueue(Context.current().info.taskQueue)

/** Runs `body` with what a driver needs; its latest progress goes with the heartbeats. */
export async function withProgress<T>(body: (context: RunningContext) => Promise<T>): Promise<T> {
  const activity = Context.current()
  const context: RunningContext = {
    signal: activity.cancellationSignal,
    onProgress: (progress) => reportProgress(activity, progress),
    attempt: activity.info.attempt,
    workflowId: activity.info.workflowExecution?.workflowId ?? '',
    runId: activity.info.workflowExecution?.runId ?? '',
    host: hostHere(),
    checkpoint: keptCheckpoint(activity),
    keep: (checkpoint) => keepCheckpoint(activity, checkpoint),
    requireCurrent: () => requireCurrent(activity),
  }
  return beating(activity, () => body(context))
}
