/** One run as it stands: from its own view, or, where no worker answers, from what Temporal knows. */
import { type RunView, viewQuery } from '../contract/messages.ts'
import { EXIT, messageOf } from '../core/errors.ts'
import { type CommandContext, withClient } from './context.ts'
import { progressLine, stepLine } from './follow.ts'

export async function runStatus(context: CommandContext, run: string): Promise<number> {
  return withClient(context, async (client) => {
    const handle = client.workflow.getHandle(run)
    const { status, type, startTime, closeTime } = await handle.describe()
    const known = {
      workflowId: run,
      type,
      status: status.name,
      started: startTime.toISOString(),
      ...(closeTime && { ended: closeTime.toISOString() }),
    }
    const head = `${run}: ${status.name}, ${closeTime ? `ended ${known.ended}` : `since ${known.started}`}`
    try {
      const view = await handle.query(viewQuery)
      context.output.result({ ...known, ...view }, [head, ...viewLines(view)])
    } catch (error) {
      context.output.result({ ...known, viewProblem: messageOf(error) }, [head, `its steps are not known: ${messageOf(error)}`])
    }
    return EXIT.ok
  })
}

function viewLines(view: RunView): string[] {
  return [
    progressLine(view),
    ...view.steps.map(stepLine),
    ...view.log.map((l) => `  ${l.at} ${l.actor}: ${l.action} (${l.reason})${l.refused ? ` REFUSED: ${l.refused}` : ''}`),
  ]
}
