/** Starting a workflow and following it to its end: what every command that acts has in common. */
import { type Client, WorkflowExecutionAlreadyStartedError, type WorkflowHandle } from '@temporalio/client'
import { z } from 'zod'
import { WORKFLOWS, type WorkflowType } from '../contract/inputs.ts'
import type { Ended } from '../contract/messages.ts'
import { CONTROL_QUEUE } from '../contract/vocabulary.ts'
import { HoldfastError } from '../core/errors.ts'
import { fellShort } from '../core/retention.ts'
import { requireAttributes } from './attributes.ts'
import { type CommandContext, withClient } from './context.ts'
import { followRun } from './follow.ts'

export interface Follow {
  /** Returns at once with the id of the run. */
  detach?: boolean
  /** Ids of failovers are fixed: a second one of the same group is refused by Temporal itself. */
  workflowId?: string
}

/** Starts the workflow; resolves with its result, or with its id where it is not followed. Throws what the run failed with. */
export async function runWorkflow<T>(
  context: CommandContext,
  type: WorkflowType,
  input: Record<string, unknown>,
  follow: Follow = {},
): Promise<{ workflowId: string; result?: T }> {
  const defined = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined))
  requireValid(type, defined)
  return withClient(context, async (client) => {
    const workflowId = follow.workflowId ?? `${type}/${String(input['source'] ?? input['group'] ?? 'all')}/${new Date().toISOString()}`
    await requireAttributes(client)
    const handle = await start(client, type, { taskQueue: CONTROL_QUEUE, workflowId, input: defined })
    if (follow.detach) return { workflowId }
    context.output.note(`${type} ${workflowId}`)
    return { workflowId, result: await endOf<T>(context, handle) }
  })
}

/** The result of a run that is followed to its end; where something is lacking, the exit code will say so. */
export async function endOf<T>(context: CommandContext, handle: WorkflowHandle): Promise<T & Partial<Ended>> {
  const result = await followRun<T & Partial<Ended>>(context, handle)
  if (result?.recordMissing !== undefined) context.output.note(`done, but no record of it could be written: ${result.recordMissing}`)
  if (isLacking(result)) context.lacking = true
  return result
}

/** Retention ends with a report for each source. */
const isLacking = (result: Partial<Ended> | undefined | Parameters<typeof fellShort>[0][]): boolean =>
  Array.isArray(result) ? result.some(fellShort) : result?.outcome === 'degraded'

/** What the run would say itself, without a server and at once. */
export function requireValid(type: WorkflowType, input: unknown): void {
  const { schema, example } = WORKFLOWS[type]
  const { success, error } = schema.safeParse(input)
  if (success) return
  throw new HoldfastError('INPUT_INVALID', z.prettifyError(error), {
    object: type,
    next: `give what ${type} needs, like ${JSON.stringify(example)}`,
  })
}

async function start(
  client: Client,
  type: WorkflowType,
  { taskQueue, workflowId, input }: { taskQueue: string; workflowId: string; input: unknown },
): Promise<WorkflowHandle> {
  try {
    return await client.workflow.start(type, { taskQueue, workflowId, args: [input] })
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error
    throw new HoldfastError('BUSY', `${workflowId} runs already`, {
      object: workflowId,
      next: `holdfast follow ${workflowId}`,
      cause: error,
    })
  }
}
