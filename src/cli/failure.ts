/** Any error as what the user sees: code, message, object, next step, exit code. */
import { ApplicationFailure, CancelledFailure, TerminatedFailure, WorkflowFailedError, WorkflowNotFoundError } from '@temporalio/client'
import { ERRORS, type ErrorCode, HoldfastError, messageOf, withoutNext } from '../core/errors.ts'
import { missingNamespace } from '../temporal/connection.ts'
import { type Failure, plainFailure as failure } from './plain-failure.ts'

export type { Failure }

/** Numbers of gRPC: a request that the server does not take, as one for a run without an id; a server that is not there. */
const INVALID = 3
const DEADLINE = 4
const UNAVAILABLE = 14

export function failureOf(error: unknown): Failure {
  if (error instanceof WorkflowNotFoundError) {
    const next = 'name a run that is there: holdfast status, or temporal workflow list'
    return failure('NOT_FOUND', `there is no run ${error.workflowId}, or it has ended`, { object: error.workflowId, next })
  }
  const at = missingNamespace(error) ?? rootOf(error)
  if (at instanceof HoldfastError) return failure(at.code, at.message, at)
  if (at instanceof ApplicationFailure && isCode(at.type)) {
    const [about] = (at.details ?? []) as { object?: string; next?: string }[]
    // The message of a run carries the next step for the Temporal UI; here it has a line of its own.
    return failure(at.type, withoutNext(at.message, about?.next), about)
  }
  if (at instanceof CancelledFailure) return failure('CANCELLED', 'the run was cancelled')
  if (at instanceof TerminatedFailure) return failure('CANCELLED', `the run was terminated: ${messageOf(at)}`)
  const grpc = (at as { code?: unknown } | undefined)?.code
  if (grpc === UNAVAILABLE || grpc === DEADLINE) return failure('TEMPORAL_UNREACHABLE', `Temporal does not answer: ${messageOf(at)}`)
  if (grpc === INVALID) return failure('INPUT_INVALID', `Temporal does not take it: ${messageOf(at)}`)
  return failure('UNEXPECTED', messageOf(at))
}

/** The error beneath the layers that Temporal puts around it. */
function rootOf(error: unknown): unknown {
  let at = error instanceof WorkflowFailedError && error.cause ? error.cause : error
  const isRoot = () => at instanceof ApplicationFailure || at instanceof HoldfastError || at instanceof CancelledFailure
  while (at instanceof Error && !isRoot() && at.cause instanceof Error) at = at.cause
  return at
}

function isCode(type: string | null | undefined): type is ErrorCode {
  return typeof type === 'string' && Object.hasOwn(ERRORS, type)
}
