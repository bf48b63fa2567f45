/** Starting a workflow and following it to its end: what every command that acts has in common. */
import { type Client, WorkflowExecutionAlreadyStartedError, type WorkflowHandle } from '@temporalio/client'
import type { WorkflowType } from '../contract/inputs.ts'
import { CONTROL_QUEUE } from '../contract/vocabulary.ts'
import { type RunView, viewQuery } from '../contract/messages.ts'
import { HoldfastError } from '../core/errors.ts'
import { type CommandContext, withClient } from './context.ts'

const LOOK_MS = 500

export interface Follow {
  /** Returns at once with the id of the run. */
  detach?: boolean
  /** Ids of failovers are fixed: a second one of the same group is refused by Temporal itself. */
  workflowId?: string
}

/** Starts the workflow; resolves with its result, or with its id where it is not followed. Throws what the run failed with. */
export async function runWorkflow<T>(context: CommandContext, type: WorkflowType, input: Record<string, unknown>, follow: Follow = {}): Promise<{ workflowId: string; result?: T }> {
  return withClient(context, async (client) => {
    const workflowId = follow.workflowId ?? `${type}/${String(input['source'] ?? input['group'] ?? 'all')}/${new Date().toISOString()}`
    const defined = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined))
    const handle = await start(client, type, { taskQueue: CONTROL_QUEUE, workflowId, input: defined })
    if (follow.detach) return { workflowId }
    context.output.note(`${type} ${workflowId}`)
    return { workflowId, result: await followRun<T>(context, handle) }
  })
}

async function start(client: Client, type: WorkflowType, { taskQueue, workflowId, input }: { taskQueue: string; workflowId: string; input: unknown }): Promise<WorkflowHandle> {
  try {
    return await client.workflow.start(type, { taskQueue, workflowId, args: [input] })
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error
    throw new HoldfastError('BUSY', `${workflowId} runs already`, { object: workflowId, next: `holdfast status --run ${workflowId}`, cause: error })
  }
}

/** Shows each change of the run until it ends. */
export async function followRun<T>({ output }: CommandContext, handle: WorkflowHandle): Promise<T> {
  let ended = false
  const result = (handle.result() as Promise<T>).finally(() => {
    ended = true
  })
  result.catch(() => {})
  while (!ended) {
    const view = await Promise.race([handle.query(viewQuery).catch(() => undefined), result.then(() => undefined, () => undefined)])
    if (view && !ended) output.progress(progressLine(view))
    await Promise.race([new Promise((resolve) => setTimeout(resolve, LOOK_MS)), result.catch(() => undefined)])
  }
  return result
}

export function progressLine(view: RunView): string {
  if (view.awaiting) return `awaiting operator: ${view.awaiting.what}: ${view.awaiting.why} (${view.awaiting.can.join(', ')})`
  if (view.phase === 'approval' && view.plan) return `approval: plan ${view.plan.hash}: ${view.plan.text.join('; ')} (${view.plan.approvals.length} of ${view.plan.needed})`
  const step = view.steps.at(-1)
  return `${view.phase}${step ? `: ${step.name} ${step.status}${step.detail ? `, ${step.detail}` : ''}` : ''}`
}
