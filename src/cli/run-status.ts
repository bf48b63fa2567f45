/** One run as it stands: from its own view, or, where no worker answers, from what Temporal knows. */
import type { WorkflowHandle } from '@temporalio/client'
import { type RunView, viewQuery } from '../contract/messages.ts'
import { EXIT, HoldfastError, messageOf } from '../core/errors.ts'
import { type CommandContext, withClient } from './context.ts'
import { type Failure, failureOf } from './failure.ts'
import { progressLine, stepLine } from './follow.ts'

export async function runStatus(context: CommandContext, run: string): Promise<number> {
  if (run.trim() === '')
    throw new HoldfastError('INPUT_INVALID', '--run names no run', { object: '--run', next: 'holdfast status lists the runs under way' })
  return withClient(context, async (client) => {
    const handle = client.workflow.getHandle(run)
    const { status, type, startTime, closeTime } = await handle.describe()
    const failure = ENDED_ILL.includes(status.name) ? await failureOfRun(handle) : undefined
    const known = {
      workflowId: run,
      type,
      status: status.name,
      started: startTime.toISOString(),
      ...(closeTime && { ended: closeTime.toISOString() }),
      ...(failure && { failure }),
    }
    const head = [
      `${run}: ${status.name}, ${closeTime ? `ended ${known.ended}` : `since ${known.started}`}`,
      ...(failure ? [`${failure.code}: ${failure.message}`, `next: ${failure.next}`] : []),
    ]
    try {
      const view = await client.connection.withDeadline(Date.now() + ANSWER_MS, () => handle.query(viewQuery))
      context.output.result({ ...known, ...view }, [...head, ...viewLines(view)])
    } catch (error) {
      context.output.result({ ...known, viewProblem: messageOf(error) }, [...head, `its steps are not known: ${messageOf(error)}`])
    }
    return EXIT.ok
  })
}

/** A worker answers within moments; where there is none, the server would keep the question for half a minute. */
const ANSWER_MS = 10_000

const ENDED_ILL = ['FAILED', 'CANCELLED', 'TERMINATED', 'TIMED_OUT']

/** Asked of Temporal: what the run failed with is there also where no worker answers. */
async function failureOfRun(handle: WorkflowHandle): Promise<Failure | undefined> {
  try {
    await handle.result()
    return undefined
  } catch (error) {
    return failureOf(error)
  }
}

function viewLines(view: RunView): string[] {
  return [
    progressLine(view),
    ...view.steps.map(stepLine),
    ...view.log.map((l) => `  ${l.at} ${l.actor}: ${l.action} (${l.reason})${l.refused ? ` REFUSED: ${l.refused}` : ''}`),
  ]
}
