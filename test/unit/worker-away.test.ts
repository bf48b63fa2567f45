/** A step for a host whose worker is away ends as that, and as no surprise. */
import { ActivityFailure, ChildWorkflowFailure, TimeoutFailure, type TimeoutType } from '@temporalio/common'
import { WorkflowFailedError } from '@temporalio/client'
import { expect, test } from 'vitest'
import { failureOf } from '../../src/cli/failure.ts'
import { unanswered } from '../../workflows/lib/failure.ts'

const timedOut = (type: TimeoutType) => {
  const cause = new TimeoutFailure(`activity ${type} timeout`, undefined, type)
  return new ActivityFailure('Activity task timed out', 'fingerprintOf', '7', 'TIMEOUT', 'worker', cause)
}
const shown = (error: unknown) => failureOf(new WorkflowFailedError('Workflow execution failed', error as Error, 'NON_RETRYABLE_FAILURE'))

test('a step that no worker took names the host, or what lives there, and what to start', () => {
  expect(shown(unanswered(timedOut('SCHEDULE_TO_START'), 'shop', 'db-east'))).toEqual({
    code: 'WORKER_UNREACHABLE',
    message: 'shop: no worker took the step fingerprintOf in time',
    object: 'db-east',
    next: 'start the worker with the role host:db-east, then this again',
    exitCode: 8,
  })
  const inChild = new ChildWorkflowFailure(
    'holdfast',
    { workflowId: 'x', runId: 'y' } as never,
    'restore',
    'TIMEOUT',
    timedOut('SCHEDULE_TO_START'),
  )
  expect(shown(unanswered(inChild, 'shop'))).toMatchObject({ code: 'WORKER_UNREACHABLE', object: 'shop' })
})

test('said once, it is not said again by the runs around it', () => {
  const said = unanswered(timedOut('SCHEDULE_TO_START'), 'shop', 'db-east')
  expect(unanswered(said, 'everything')).toBe(said)
})

test('a step that was taken and took too long, or failed, stays what it is', () => {
  for (const error of [timedOut('HEARTBEAT'), timedOut('START_TO_CLOSE'), new Error('away')]) expect(unanswered(error, 'shop')).toBe(error)
})
