/** Runs an activity outside of a worker: with a context that heartbeats into nothing and is never cancelled, for a Temporal that waits for it. */
import { asyncLocalStorage, type Context } from '@temporalio/activity'

export interface Heartbeats {
  /** Of the try before. */
  heartbeatDetails?: unknown
  heartbeat?(details: unknown): void
  /** Of its cancellation. */
  signal?: AbortSignal
}

export function inActivity<T>(
  run: () => Promise<T>,
  attempt = 1,
  { heartbeatDetails, heartbeat = () => {}, signal = new AbortController().signal }: Heartbeats = {},
): Promise<T> {
  const describeWorkflowExecution = async () => ({ pendingActivities: [{ activityId: 'activity', attempt }] })
  const context = {
    heartbeat,
    client: { workflowService: { describeWorkflowExecution } },
    cancellationSignal: signal,
    info: {
      attempt,
      heartbeatDetails,
      taskQueue: 'holdfast',
      activityId: 'activity',
      activityType: 'test',
      workflowExecution: { workflowId: 'workflow', runId: 'run' },
    },
  }
  return asyncLocalStorage.run(context as unknown as Context, run)
}
