/** The end of what is followed, against a run whose answers come in a fixed order. */
import type { WorkflowHandle } from '@temporalio/client'
import { expect, test } from 'vitest'
import type { CommandContext } from '../../../src/cli/context.ts'
import { followRun } from '../../../src/cli/follow.ts'
import { createOutput } from '../../../src/cli/output.ts'
import { catchStreams } from './support.ts'

const view = (status: string) => ({ phase: 'capture', steps: [{ name: 'publish', status, seconds: 0.2 }] })

/** The run ends while its first view is looked at: `publish` is running there, and done in the next. */
function runThatEnds(): WorkflowHandle {
  const end = Promise.withResolvers<string>()
  let looked = 0
  const connection = {
    withAbortSignal: (_: AbortSignal, ask: () => unknown) => ask(),
    withDeadline: (_: number, ask: () => unknown) => ask(),
  }
  const query = async () => {
    looked += 1
    setImmediate(() => end.resolve('a point'))
    return view(looked === 1 ? 'running' : 'done')
  }
  return { workflowId: 'backup/x', client: { connection }, result: () => end.promise, query } as unknown as WorkflowHandle
}

test('the last steps are told even where the run ends between two looks', async () => {
  const streams = catchStreams()
  const context = { output: createOutput(false, streams) } as CommandContext
  expect(await followRun(context, runThatEnds())).toBe('a point')
  expect(streams.stderr).toBe('capture: publish\n  done     publish 0.2 s\n')
})
