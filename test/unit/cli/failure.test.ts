import { ApplicationFailure, CancelledFailure, WorkflowFailedError, WorkflowNotFoundError } from '@temporalio/client'
import { NamespaceNotFoundError } from '@temporalio/common'
import { describe, expect, it } from 'vitest'
import { failureOf } from '../../../src/cli/failure.ts'
import { createOutput } from '../../../src/cli/output.ts'
import { ERRORS, type ErrorCode, HoldfastError } from '../../../src/core/errors.ts'
import { catchStreams, holdfast } from './support.ts'

const failed = (cause: Error) => new WorkflowFailedError('Workflow execution failed', cause, 'NON_RETRYABLE_FAILURE' as never)

describe('an error as the user sees it', () => {
  it.each(Object.keys(ERRORS) as ErrorCode[])('%s has the exit code of the registry, thrown here or in a run', (code) => {
    const here = failureOf(new HoldfastError(code, 'what and where', { object: 'it' }))
    const details = [{ object: 'it', next: ERRORS[code].next }]
    const inRun = failureOf(
      failed(ApplicationFailure.create({ type: code, message: `what and where. Next: ${ERRORS[code].next}`, details })),
    )
    expect(here).toEqual({ code, message: 'what and where', next: ERRORS[code].next, object: 'it', exitCode: ERRORS[code].exitCode })
    expect(inRun).toEqual(here)
  })

  it('is found beneath every layer that is put around it', () => {
    const cause = new HoldfastError('SPACE_SHORT', 'no space left')
    expect(failureOf(new Error('outer', { cause: new Error('inner', { cause }) })).code).toBe('SPACE_SHORT')
  })

  it('is NOT_FOUND where there is no such run', () => {
    expect(failureOf(new WorkflowNotFoundError('gone', 'backup/x', undefined))).toMatchObject({
      code: 'NOT_FOUND',
      object: 'backup/x',
      exitCode: 6,
    })
  })

  it('is CANCELLED where the run was', () => {
    expect(failureOf(failed(new CancelledFailure('cancelled')))).toMatchObject({ code: 'CANCELLED', exitCode: 130 })
  })

  it('is TEMPORAL_UNREACHABLE where the server went away in the middle', () => {
    const grpc = Object.assign(new Error('14 UNAVAILABLE: connection lost'), { code: 14 })
    expect(failureOf(new Error('failed', { cause: grpc }))).toMatchObject({ code: 'TEMPORAL_UNREACHABLE', exitCode: 8 })
  })

  it('is CONFIG_INVALID where Temporal has no such namespace, with the command that makes it', () => {
    expect(failureOf(new NamespaceNotFoundError('defalt'))).toMatchObject({
      code: 'CONFIG_INVALID',
      object: 'temporal.namespace',
      next: expect.stringContaining('temporal operator namespace create --namespace defalt'),
    })
  })

  it('is INPUT_INVALID where Temporal does not take what it was given', () => {
    const grpc = Object.assign(new Error('3 INVALID_ARGUMENT: WorkflowId is not set on request.'), { code: 3 })
    expect(failureOf(new Error('failed', { cause: grpc }))).toMatchObject({ code: 'INPUT_INVALID', exitCode: 2 })
  })

  it('is UNEXPECTED and says itself where nobody foresaw it', () => {
    expect(failureOf(new TypeError('x is not a function'))).toMatchObject({
      code: 'UNEXPECTED',
      message: 'x is not a function',
      exitCode: 1,
    })
  })

  it('is in the registry, and so in docs/errors.md, also where nobody foresaw it', () => {
    expect(Object.keys(ERRORS)).toContain(failureOf(new TypeError('x is not a function')).code)
  })

  it('of a target outside of the window sends to where the window is shown', async () => {
    const { stdout } = await holdfast('status', '--help')
    const [, option = 'none'] = /holdfast status (--\S+)/.exec(failureOf(new HoldfastError('TARGET_OUT_OF_RANGE', 'too early')).next) ?? []
    expect(stdout).toMatch(new RegExp(`${option} .*recoverable window`))
  })

  it('is one document on stderr with --json, and two lines without', () => {
    const failure = failureOf(new HoldfastError('BUSY', 'it runs', { next: 'wait' }))
    const [json, plain] = [catchStreams(), catchStreams()]
    createOutput(true, json).failure(failure)
    createOutput(false, plain).failure(failure)
    expect(JSON.parse(json.stderr)).toEqual({ error: { code: 'BUSY', message: 'it runs', next: 'wait', object: null, exitCode: 5 } })
    expect(json.stdout + plain.stdout).toBe('')
    expect(plain.stderr).toBe('BUSY: it runs\nnext: wait\n')
  })
})
