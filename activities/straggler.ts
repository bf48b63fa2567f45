/**
 * Tries that Temporal has given up and that go on all the same: a worker that was frozen past a timeout and thaws hears
 * of it with its next heartbeat only, seconds later. What must not happen twice is asked for right before it happens.
 */
import { Context } from '@temporalio/activity'
import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, Next } from '@temporalio/worker'
import { HoldfastError } from '../src/core/errors.ts'

/** Throws CANCELLED where this try is not the one that Temporal waits for. */
export async function requireCurrent(activity: Context = Context.current()): Promise<void> {
  const { workflowExecution, activityId, activityType, attempt, namespace } = activity.info
  const run = await activity.client.workflowService.describeWorkflowExecution({ namespace, execution: workflowExecution })
  // A run that was terminated still names what was pending then.
  const open = !run.workflowExecutionInfo?.closeTime
  if (open && run.pendingActivities?.some((pending) => pending.activityId === activityId && pending.attempt === attempt)) return
  throw new HoldfastError('CANCELLED', `try ${attempt} of ${activityType} was given up before it could begin or end`, {
    object: workflowExecution?.workflowId,
  })
}

/** Whether the step was given up, all its tries: its run failed, was cancelled, or undoes what it did. */
export async function isGivenUp(activity: Context = Context.current()): Promise<boolean> {
  const { workflowExecution, activityId } = activity.info
  if (!workflowExecution) return false
  const { workflowId, runId } = workflowExecution
  const { events } = await activity.client.workflow.getHandle(workflowId, runId).fetchHistory()
  const step = events?.find((event) => event.activityTaskScheduledEventAttributes?.activityId === activityId)
  const ends = events?.flatMap(
    (event) =>
      event.activityTaskFailedEventAttributes ??
      event.activityTaskTimedOutEventAttributes ??
      event.activityTaskCanceledEventAttributes ??
      [],
  )
  return ends?.some(({ scheduledEventId }) => String(scheduledEventId) === String(step?.eventId)) ?? false
}

/** A worker that was frozen with a task in its hands does not begin it hours later. */
export class StragglerInterceptor implements ActivityInboundCallsInterceptor {
  async execute(input: ActivityExecuteInput, next: Next<ActivityInboundCallsInterceptor, 'execute'>): Promise<unknown> {
    await requireCurrent()
    return next(input)
  }
}
