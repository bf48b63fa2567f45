/** backup-set and sets: sources that are taken together. */
import type { Command } from 'commander'
import { named } from '../../config/named.ts'
import type { SetRecord } from '../../core/sets.ts'
import { byOption, type CommandContext, withServices } from '../context.ts'
import { columns } from '../output.ts'
import type { Action } from '../program.ts'
import { runWorkflow } from '../runs.ts'

interface SetDone {
  id: string
  members: { source: string; id?: string; problem?: string }[]
  warnings: string[]
}

export function addSetCommands(program: Command, action: Action): void {
  program
    .command('backup-set <set>')
    .description('take a recovery set: a barrier across its members, a recovery point of each, one record')
    .option('--detach', 'do not wait: print the id of the run', false)
    .action(
      action(async (context, set: string, { detach }: { detach: boolean }) => {
        const { workflowId, result } = await runWorkflow<SetDone>(context, 'backupSet', { set }, { detach })
        context.output.result(result ?? { workflowId }, result ? doneLines(result) : [workflowId])
      }),
    )
  program
    .command('recover-site <set> [recovery-set]')
    .description('total loss: restore every member of a recovery set, the newest complete one by default, over what was provided for it')
    .option('--confirm <digest>', 'of all the systems that are filled; without it they are shown, and nothing happens')
    .addOption(byOption('who asks'))
    .option('--detach', 'do not wait: print the id of the run', false)
    .action(action(recover))
  program
    .command('sets [set]')
    .description('recovery sets, newest first, with the point of each member')
    .action(action((context, set: string | undefined) => list(context, set)))
}

interface SiteDone {
  recoverySet: string
  members: { source: string; recoveryPoint?: string; seconds: number; problem?: string }[]
  seconds: number
  warnings: string[]
}

async function recover(
  context: CommandContext,
  set: string,
  recoverySet: string | undefined,
  { confirm, by, detach }: { confirm?: string; by: string; detach: boolean },
): Promise<void> {
  const input = { set, recoverySet, confirm, requestedBy: by }
  const { workflowId, result } = await runWorkflow<SiteDone>(context, 'recoverSite', input, { detach })
  const rows = (result?.members ?? []).map(
    ({ source, recoveryPoint, seconds, problem }) =>
      `  ${source}  ${problem ? `FAILED ${problem}` : `${recoveryPoint} in ${seconds.toFixed(1)} s`}`,
  )
  const lines = result && [
    `recovered ${result.recoverySet} in ${result.seconds.toFixed(1)} s`,
    ...rows,
    ...result.warnings.map((warning) => `warning: ${warning}`),
  ]
  context.output.result(result ?? { workflowId }, lines ?? [workflowId])
}

function doneLines({ id, members, warnings }: SetDone): string[] {
  return [
    id,
    ...members.map(({ source, id: point, problem }) => `  ${source}  ${point ?? `FAILED ${problem}`}`),
    ...warnings.map((warning) => `warning: ${warning}`),
  ]
}

async function list(context: CommandContext, set: string | undefined): Promise<void> {
  await withServices(context, async (services, config) => {
    if (set !== undefined) named('set', config.sets, set)
    const repositories = Object.keys(config.repositories)
    const found = await Promise.all(repositories.map(async (name) => (await services.catalog(name)).listSets(set)))
    // Each stands in every repository that has a point of it.
    const records = [...new Map(found.flat().map((record) => [record.id, record])).values()].sort((a, b) => (a.id < b.id ? 1 : -1))
    context.output.result(records, setLines(records))
  })
}

function setLines(records: SetRecord[]): string[] {
  if (records.length === 0) return ['no recovery set yet']
  const rows = records.map(({ id, complete, members, checks }) => [
    id,
    complete ? 'complete' : 'INCOMPLETE',
    checks.length === 0 ? '-' : checks.every(({ ok }) => ok) ? 'hold' : 'DO NOT HOLD',
    members.map((member) => `${member.source} ${member.id ?? '-'}`).join(', '),
  ])
  return columns([['set', 'members', 'checks', 'points'], ...rows])
}
