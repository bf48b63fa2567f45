/** Asks Temporal itself about runs: the only place from which a run may reach the lock of a resource. */
import { type Client, WorkflowNotFoundError } from '@temporalio/client'
import { acquireSignal, type LockRequest } from '../src/contract/messages.ts'
import { CONTROL_QUEUE } from '../src/contract/vocabulary.ts'

export function createLockActivities({ client }: { client: Client }) {
  return {
    /** Sends the request; starts the lock of the resource where none runs. The answer comes as a signal. */
    async acquireLock({ resource, ...request }: LockRequest & { resource: string }): Promise<void> {
      await client.workflow.signalWithStart('resourceLock', {
        workflowId: `lock/${resource}`,
        taskQueue: CONTROL_QUEUE,
        signal: acquireSignal,
        signalArgs: [request],
        args: [{ resource, granted: 0, waiting: [] }],
        staticSummary: `lock of ${resource}`,
      })
    },
    async isRunOpen({ workflowId, runId }: { workflowId: string; runId: string }): Promise<boolean> {
      try {
        return (await client.workflow.getHandle(workflowId, runId).describe()).status.name === 'RUNNING'
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return false
        throw error
      }
    },
  }
}
export type LockActivities = ReturnType<typeof createLockActivities>
