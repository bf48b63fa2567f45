/** What is done with a run under way: followed, cancelled, or steered by its updates. */
import type { Command } from 'commander'
import { type Answer, type RunView, UPDATES, viewQuery } from '../../contract/messages.ts'
import type { WorkflowHandle } from '@temporalio/client'
import { EXIT, HoldfastError } from '../../core/errors.ts'
import { byOption, type CommandContext, withClient } from '../context.ts'
import type { Action } from '../program.ts'
import { endOf } from '../runs.ts'

interface Options {
  by: string
  reason: string
  plan?: string
  second?: string
}
type Input = (options: Options, step: string | undefined, view: () => Promise<RunView>) => Promise<object>

export function addSteeringCommands(program: Command, action: Action): void {
  program
    .command('follow <run>')
    .description('watch a run until it ends; Ctrl-C ends the watching only')
    .action(
      action((context, run: string) =>
        withClient(context, async (client) => {
          const result = await endOf<AnyEnd>(context, client.workflow.getHandle(run))
          context.output.result(result, endLines(run, result, context.lacking === true))
          return result?.ok === false ? EXIT.integrity : EXIT.ok
        }),
      ),
    )
  program
    .command('cancel <run>')
    .description('ask a run to stop; what it has begun is undone. A failover, a failback and a rebuild of a standby are stopped by abort')
    .action(
      action((context, run: string) =>
        withClient(context, async (client) => {
          const handle = client.workflow.getHandle(run)
          await requireCancellable(handle)
          await handle.cancel()
          context.output.result({ workflowId: run, cancelRequested: true }, [`asked ${run} to stop; watch it: holdfast follow ${run}`])
        }),
      ),
    )
  addUpdates(program, action)
}

/** What runs of different types have in common when they end. */
interface AnyEnd {
  id?: string
  /** Of a proof. */
  ok?: boolean
  warnings?: string[]
  failures?: string[]
  guaranteesLost?: string[]
}

function endLines(run: string, end: AnyEnd | undefined, degraded: boolean): (string | undefined)[] {
  const lacking = degraded || end?.ok === false
  return [
    `${run} has ended${lacking ? ', with something lacking' : ' well'}`,
    end?.id && `recovery point ${end.id}`,
    ...(end?.failures ?? []).map((failure) => `FAILED ${failure}`),
    ...(end?.warnings ?? []).map((warning) => `warning: ${warning}`),
    ...(end?.guaranteesLost ?? []).map((guarantee) => `LOST ${guarantee}`),
  ]
}

/** Throws NOT_FOUND for a run that has ended, INPUT_INVALID for one that only a named person stops. */
async function requireCancellable(handle: WorkflowHandle): Promise<void> {
  const { workflowId } = handle
  const { status, type } = await handle.describe()
  if (status.name !== 'RUNNING')
    throw new HoldfastError('NOT_FOUND', `${workflowId} has ended: ${status.name}`, {
      object: workflowId,
      next: `holdfast status --run ${workflowId}`,
    })
  if (type === 'failover' || type === 'failback' || type === 'rebuildStandby')
    throw new HoldfastError('INPUT_INVALID', `a ${type} is stopped by a person and for a reason`, {
      object: workflowId,
      next: `holdfast abort ${workflowId} --reason <text>`,
    })
}

function addUpdates(program: Command, action: Action): void {
  const add = (name: keyof typeof UPDATES, args = '', input: Input = async () => ({})) =>
    program
      .command(`${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} <run>${args}`)
      .description(UPDATES[name].about)
      .requiredOption('--reason <text>', 'why; stands in the record')
      .addOption(byOption('who acts'))
      .action(
        action((context: CommandContext, run: string, ...rest: unknown[]) =>
          withClient(context, async (client) => {
            const step = typeof rest[0] === 'string' ? rest[0] : undefined
            const options = rest[step === undefined ? 0 : 1] as Options
            const handle = client.workflow.getHandle(run)
            const body = await input(options, step, () => handle.query(viewQuery))
            const update = { actor: options.by, reason: options.reason, ...body }
            const answer = await handle.executeUpdate<Answer, [object]>(name, { args: [update] })
            context.output.result(answer, [`${name}: ${answer.message}`])
          }),
        ),
      )
  add('approve', '', planHash).option('--plan <hash>', 'the plan as you saw it; without it the one shown now')
  for (const name of ['reject', 'pause', 'resume', 'abort'] as const) add(name)
  for (const name of ['retryStep', 'skipStep'] as const) add(name, ' <step>', async (_, step) => ({ step }))
  add('attestFenced', '', async ({ second }) => ({ secondPerson: second })).requiredOption('--second <name>', 'the second person')
}

const planHash: Input = async ({ plan }, _, view) => {
  const hash = plan ?? (await view()).plan?.hash
  if (!hash) throw new HoldfastError('APPROVAL_REFUSED', 'the run shows no plan', { next: 'look at it: holdfast status --run <run>' })
  return { planHash: hash }
}
