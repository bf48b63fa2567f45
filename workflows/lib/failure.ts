/** Failures of a run, from the same registry as everywhere: a plain Error would only retry the workflow task for ever. */
import { isCancellation } from '@temporalio/workflow'
import { ActivityFailure, ApplicationFailure, ChildWorkflowFailure, TemporalFailure, TimeoutFailure } from '@temporalio/common'
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

/** Without the layers that Temporal puts around it. */
function rootOf(error: unknown): unknown {
  let at: unknown = error
  while ((at instanceof ActivityFailure || at instanceof ChildWorkflowFailure) && at.cause) at = at.cause
  return at
}

/** The failure that an activity or child ended with. */
export function rootFailure(error: unknown): { code: string; message: string } {
  const at = rootOf(error)
  if (at instanceof ApplicationFailure) return { code: at.type ?? 'FAILED', message: at.message }
  if (at instanceof TemporalFailure) return { code: at.name, message: at.message }
  return { code: 'FAILED', message: at instanceof Error ? at.message : String(at) }
}

/** A failure of this code with another next step; any other error as it is. */
export function withNext(error: unknown, code: ErrorCode, change: (next: string) => string): unknown {
  const at = rootOf(error)
  if (!(at instanceof ApplicationFailure) || at.type !== code) return error
  const [{ next = ERRORS[code].next, ...about } = {}] = (at.details ?? []) as { object?: string; next?: string }[]
  return failure(code, at.message.replace(/\. Next: .*$/s, ''), { ...about, next: change(next), details: about })
}

/** A step that nobody took in time, as what it is: a worker that is away. Any other error as it is. */
export function unanswered(error: unknown, about: string, host?: string): unknown {
  const at = rootOf(error)
  if (!(at instanceof TimeoutFailure) || at.timeoutType !== 'SCHEDULE_TO_START') return error
  return failure(
    'WORKER_UNREACHABLE',
    `no worker on the host of ${about}${host === undefined ? '' : `, ${host},`} took a step of it in time`,
    {
      object: host ?? about,
      next: `start the worker with the role host:${host ?? '<host>'}, then this again`,
    },
  )
}

/** Aborted is what somebody wanted, by a cancel or by an update. */
export function outcomeOfFailure(error: unknown): 'aborted' | 'failed' {
  return isCancellation(error) || rootFailure(error).code === 'ABORTED' ? 'aborted' : 'failed'
}
