/** The updates that steer a run: approve, reject, pause, resume, retry, skip, abort, attest. */
import type { Command } from 'commander'
import { UPDATES, type Answer, type RunView, viewQuery } from '../../contract/messages.ts'
import { HoldfastError } from '../../core/errors.ts'
import { type CommandContext, withClient } from '../context.ts'
import type { Action } from '../program.ts'

interface Options { by: string; reason: string; plan?: string; second?: string }

export function addSteeringCommands(program: Command, action: Action): void {
  const add = (name: keyof typeof UPDATES, args: string, extend: (command: Command) => Command, input: (options: Options, step: string | undefined, view: () => Promise<RunView>) => Promise<object>) => {
    const command = program.command(`${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} <run>${args}`).description(UPDATES[name].about)
      .requiredOption('--reason <text>').option('--by <name>', 'who acts', process.env['USER'] ?? 'unknown')
    extend(command).action(action(async (context: CommandContext, run: string, ...rest: unknown[]) => withClient(context, async (client) => {
      const step = typeof rest[0] === 'string' ? rest[0] : undefined
      const options = (typeof rest[0] === 'string' ? rest[1] : rest[0]) as Options
      const handle = client.workflow.getHandle(run)
      const body = await input(options, step, () => handle.query(viewQuery))
      const answer = await handle.executeUpdate<Answer, [object]>(name, { args: [{ actor: options.by, reason: options.reason, ...body }] })
      context.output.result(answer, [`${name}: ${answer.message}`])
    })))
  }
  const plain = async () => ({})
  const asIs = (command: Command) => command
  add('approve', '', (command) => command.option('--plan <hash>', 'the plan as you saw it; without it the one shown now'), async ({ plan }, _, view) => {
    const hash = plan ?? (await view()).plan?.hash
    if (!hash) throw new HoldfastError('APPROVAL_REFUSED', 'the run shows no plan', { next: 'holdfast status --run <run>' })
    return { planHash: hash }
  })
  add('reject', '', asIs, plain)
  add('pause', '', asIs, plain)
  add('resume', '', asIs, plain)
  add('abort', '', asIs, plain)
  add('retryStep', ' <step>', asIs, async (_, step) => ({ step }))
  add('skipStep', ' <step>', asIs, async (_, step) => ({ step }))
  add('attestFenced', '', (command) => command.requiredOption('--second <name>', 'the second person'), async ({ second }) => ({ secondPerson: second }))
}
