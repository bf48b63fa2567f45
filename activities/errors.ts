/** The one place where an error of Holdfast becomes a failure of Temporal: code, object and next step stay readable. */
import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, Next } from '@temporalio/worker'
import { ApplicationFailure, CancelledFailure } from '@temporalio/common'
import { CompleteAsyncError, Context } from '@temporalio/activity'
import { HoldfastError, messageOf, withNext } from '../src/core/errors.ts'

export function toFailure(error: unknown): unknown {
  if (error instanceof ApplicationFailure || error instanceof CancelledFailure || error instanceof CompleteAsyncError) return error
  if (error instanceof HoldfastError) {
    return ApplicationFailure.create({
      type: error.code,
      nonRetryable: !error.retryable,
      message: withNext(error.message, error.next),
      details: [{ object: error.object, next: error.next, ...error.details }],
      ...(error.cause instanceof Error && { cause: error.cause }),
    })
  }
  return ApplicationFailure.create({
    type: 'UNEXPECTED',
    nonRetryable: false,
    message: messageOf(error),
    ...(error instanceof Error && { cause: error }),
  })
}

export class ErrorInterceptor implements ActivityInboundCallsInterceptor {
  async execute(input: ActivityExecuteInput, next: Next<ActivityInboundCallsInterceptor, 'execute'>): Promise<unknown> {
    try {
      return await next(input)
    } catch (error) {
      // A driver that was stopped rejects in its own words: what counts is that the run asked for it.
      const { cancellationSignal } = Context.current()
      if (cancellationSignal.aborted && cancellationSignal.reason instanceof CancelledFailure) throw cancellationSignal.reason
      throw toFailure(error)
    }
  }
}
