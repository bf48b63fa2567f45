/** Runs an activity outside of a worker: with a context that heartbeats into nothing and is never cancelled. */
import { asyncLocalStorage, type Context } from '@temporalio/activity'

export function inActivity<T>(run: () => Promise<T>, attempt = 1): Promise<T> {
  const context = {
    heartbeat: () => {},
    cancellationSignal: new AbortController().signal,
    info: { attempt, taskQueue: 'holdfast', activityType: 'test', workflowExecution: { workflowId: 'workflow', runId: 'run' } },
  }
  return asyncLocalStorage.run(context as unknown as Context, run)
}
