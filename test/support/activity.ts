/** Runs an activity outside of a worker: with a context that heartbeats into nothing and is never cancelled. */
import { asyncLocalStorage, type Context } from '@temporalio/activity'

export interface Heartbeats {
  /** Of the try before. */
  heartbeatDetails?: unknown
  heartbeat?(details: unknown): void
}

export function inActivity<T>(run: () => Promise<T>, attempt = 1, { heartbeatDetails, heartbeat = () => {} }: Heartbeats = {}): Promise<T> {
  const context = {
    heartbeat,
    cancellationSignal: new AbortController().signal,
    info: {
      attempt,
      heartbeatDetails,
      taskQueue: 'holdfast',
      activityType: 'test',
      workflowExecution: { workflowId: 'workflow', runId: 'run' },
    },
  }
  return asyncLocalStorage.run(context as unknown as Context, run)
}
