/** rebuild: a projection built anew from its events, by the application that owns it. */
import type { Command } from 'commander'
import { HoldfastError } from '../../core/errors.ts'
import { again, byOption } from '../context.ts'
import type { Action } from '../program.ts'
import { runWorkflow } from '../runs.ts'

interface RebuildOptions {
  set?: string[]
  by: string
  detach: boolean
}

export function addRebuildCommand(program: Command, action: Action): void {
  program
    .command('rebuild <projection>')
    .description('have a projection built anew through the admin API of its application, and watch it to its end')
    .option('--set <key=value>', 'over the configured body, like from_sequence=0; values are JSON, else text; again for more', again)
    .addOption(byOption('who asks'))
    .option('--detach', 'do not wait: print the id of the run', false)
    .action(
      action(async (context, projection: string, { set = [], by, detach }: RebuildOptions) => {
        const parameters = Object.fromEntries(set.map(parameterOf))
        const input = { projection, parameters, requestedBy: by }
        const { workflowId, result } = await runWorkflow<{ said: object }>(context, 'rebuildProjection', input, { detach })
        context.output.result(result ?? { workflowId }, [result ? `rebuilt ${projection}: ${JSON.stringify(result.said)}` : workflowId])
      }),
    )
}

function parameterOf(text: string): [string, unknown] {
  const at = text.indexOf('=')
  if (at < 1)
    throw new HoldfastError('INPUT_INVALID', `"${text}" is no parameter`, { object: '--set', next: 'give it as --set from_sequence=0' })
  const value = text.slice(at + 1)
  try {
    return [text.slice(0, at), JSON.parse(value)]
  } catch {
    return [text.slice(0, at), value]
  }
}
