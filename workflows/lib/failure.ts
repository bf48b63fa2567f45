/** Failures of a run, from the same registry as everywhere: a plain Error would only retry the workflow task for ever. */
import { isCancellation } from '@temporalio/workflow'
import { ActivityFailure, ApplicationFailure, ChildWorkflowFailure, TemporalFailure, TimeoutFailure } from '@temporalio/common'
import { z } from 'zod'
import { WORKFLOWS, type WorkflowType } from '../../src/contract/inputs.ts'
import { ERRORS, type ErrorCode, withNext, withoutNext } from '../../src/core/errors.ts'

const AWAY = 'WORKER_UNREACHABLE'

export function failure(
  code: ErrorCode,
  message: string,
  options: { object?: string; next?: string; details?: Record<string, unknown> } = {},
): ApplicationFailure {
  const next = options.next ?? ERRORS[code].next
  return ApplicationFailure.create({
    type: code,
    nonRetryable: true,
    message: withNext(message, next),
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

interface Told {
  code: string
  whole: string
  /** Without the next step, which the whole carries for the Temporal UI. */
  message: string
  next: string | undefined
  about: { object?: string }
}

/** What an activity or child ended with, without the layers that Temporal puts around it, as its parts. */
export function partsOf(error: unknown): Told {
  let at: unknown = error
  let step = ''
  while ((at instanceof ActivityFailure || at instanceof ChildWorkflowFailure) && at.cause) {
    if (at instanceof ActivityFailure) step = at.activityType
    at = at.cause
  }
  // A worker that is away is no surprise, and not its step's fault.
  if (at instanceof TimeoutFailure && at.timeoutType === 'SCHEDULE_TO_START')
    return plain(AWAY, `no worker took the step ${step} in time`, ERRORS[AWAY].next)
  if (!(at instanceof ApplicationFailure))
    return plain(at instanceof TemporalFailure ? at.name : 'FAILED', at instanceof Error ? at.message : String(at))
  const [{ next, ...about } = {}] = (at.details ?? []) as { object?: string; next?: string }[]
  return { code: at.type ?? 'FAILED', whole: at.message, message: withoutNext(at.message, next), next, about }
}

const plain = (code: string, message: string, next?: string): Told => ({ code, whole: message, message, next, about: {} })

/** The failure that an activity or child ended with, as it said it: an own next step is the end of its message. */
export function rootFailure(error: unknown): { code: string; message: string } {
  const { code, whole } = partsOf(error)
  return { code, message: whole }
}

/** A failure of this code with another next step; any other error as it is, and this one where there is none. */
export function changeNext(error: unknown, code: ErrorCode, change: (next: string) => string | undefined): unknown {
  const { message, next, about, ...told } = partsOf(error)
  const changed = told.code === code && next !== undefined ? change(next) : undefined
  return changed === undefined ? error : failure(code, message, { next: changed, details: about })
}

/** A step that nobody took in time says whose it was, and on which host that is known. Any other error as it is. */
export function unanswered(error: unknown, whose: string, host?: string): unknown {
  const { code, message, about } = partsOf(error)
  if (code !== AWAY || about.object !== undefined) return error
  return failure(AWAY, `${whose}: ${message}`, {
    object: host ?? whose,
    ...(host !== undefined && { next: `start the worker with the role host:${host}, then this again` }),
  })
}

/** Aborted is what somebody wanted, by a cancel or by an update. */
export function outcomeOfFailure(error: unknown): 'aborted' | 'failed' {
  return isCancellation(error) || rootFailure(error).code === 'ABORTED' ? 'aborted' : 'failed'
}
