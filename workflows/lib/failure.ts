/** Failures of a run, from the same registry as everywhere: a plain Error would only retry the workflow task for ever. */
import { isCancellation } from '@temporalio/workflow'
import { ActivityFailure, ApplicationFailure, ChildWorkflowFailure, TemporalFailure } from '@temporalio/common'
import { z } from 'zod'
import { WORKFLOWS, type WorkflowType } from '../../src/contract/inputs.ts'
import { ERRORS, type ErrorCode } from '../../src/core/errors.ts'

export function failure(
  code: ErrorCode,
  message: string,
  options: { object?: string; next?: string; details?: Record<string, unknown> } = {},
): ApplicationFailure {
  const next = options.next ?? ERRORS[code].next
  return ApplicationFailure.create({
    type: code,
    nonRetryable: true,
    message: `${message}. Next: ${next}`,
    details: [{ object: options.object, next, ...options.details }],
  })
}

/** The input as its schema has it; else the run ends at once, naming each field and showing an input that works. */
export function parseInput<T extends WorkflowType>(type: T, input: unknown): z.output<(typeof WORKFLOWS)[T]['schema']> {
  const { schema, example } = WORKFLOWS[type]
  const parsed = schema.safeParse(input ?? {})
  if (parsed.success) return parsed.data as z.output<(typeof WORKFLOWS)[T]['schema']>
  throw failure('INPUT_INVALID', `Input of ${type} is not valid:\n${z.prettifyError(parsed.error)}\nValid: ${JSON.stringify(example)}`, {
    object: type,
  })
}

/** The failure that an activity or child ended with, without the layers that Temporal puts around it. */
export function rootFailure(error: unknown): { code: string; message: string } {
  let at: unknown = error
  while ((at instanceof ActivityFailure || at instanceof ChildWorkflowFailure) && at.cause) at = at.cause
  if (at instanceof ApplicationFailure) return { code: at.type ?? 'FAILED', message: at.message }
  if (at instanceof TemporalFailure) return { code: at.name, message: at.message }
  return { code: 'FAILED', message: at instanceof Error ? at.message : String(at) }
}

/** Aborted is what somebody wanted, by a cancel or by an update. */
export function outcomeOfFailure(error: unknown): 'aborted' | 'failed' {
  return isCancellation(error) || rootFailure(error).code === 'ABORTED' ? 'aborted' : 'failed'
}
