/** failover, failback, readiness: the pair. */
import type { Command } from 'commander'
import type { FailbackReport, FailoverReport, LostWrites, PairPlan, StandbyReport } from '../../contract/failover.ts'
import { EXIT } from '../../core/errors.ts'
import { byOption, type CommandContext } from '../context.ts'
import type { Action } from '../program.ts'
import { runWorkflow } from '../runs.ts'

interface FailbackOptions {
  reason: string
  by: string
  detach: boolean
}
interface FailoverOptions extends FailbackOptions {
  planned: boolean
  failedAt?: string
  acceptLoss: boolean
}

export function addFailoverCommands(program: Command, action: Action): void {
  const act = (name: string, description: string) =>
    program
      .command(`${name} <group>`)
      .description(description)
      .requiredOption('--reason <text>', 'why; stands in the record')
      .addOption(byOption('who asks'))
      .option('--detach', 'do not wait: print the id of the run', false)
  act('failover', 'make the other side the primary; waits for an approval by somebody else')
    .option('--planned', 'both sides are well: lose nothing', false)
    .option('--failed-at <time>', 'when the outage began; the report counts from then')
    .option('--accept-loss', 'go on with a lag over the limit or unknown', false)
    .action(action(failover))
  act('failback', 'rebuild the old side and make it the primary again').action(action(failback))
  program
    .command('rebuild-standby <group>')
    .description('make the side that takes no writes a streaming standby of the other one, by rewind or by a new copy')
    .addOption(byOption('who asks'))
    .option('--detach', 'do not wait: print the id of the run', false)
    .action(action(rebuildStandby))
  program.command('readiness <group>').description('every precheck of a failover, without acting').action(action(readiness))
}

async function failover(context: CommandContext, group: string, o: FailoverOptions): Promise<void> {
  const { reason, failedAt, acceptLoss, detach } = o
  const input = { group, mode: o.planned ? 'planned' : 'unplanned', reason, requestedBy: o.by, failedAt, acceptLoss }
  const { workflowId, result } = await runWorkflow<FailoverReport>(context, 'failover', input, { detach, workflowId: `failover/${group}` })
  context.output.result(result ?? { workflowId }, result ? failoverLines(result) : [workflowId])
}

async function failback(context: CommandContext, group: string, { reason, by, detach }: FailbackOptions): Promise<void> {
  const input = { group, reason, requestedBy: by }
  const { workflowId, result } = await runWorkflow<FailbackReport>(context, 'failback', input, { detach, workflowId: `failback/${group}` })
  context.output.result(result ?? { workflowId }, result ? failbackLines(result) : [workflowId])
}

async function rebuildStandby(context: CommandContext, group: string, { by, detach }: Omit<FailbackOptions, 'reason'>): Promise<void> {
  const input = { group, requestedBy: by }
  const options = { detach, workflowId: `rebuild-standby/${group}` }
  const { workflowId, result } = await runWorkflow<StandbyReport>(context, 'rebuildStandby', input, options)
  context.output.result(result ?? { workflowId }, result ? standbyLines(result) : [workflowId])
}

async function readiness(context: CommandContext, group: string): Promise<number> {
  const { result } = await runWorkflow<PairPlan & { ready: boolean }>(context, 'evaluateReadiness', { group })
  context.output.result(result, [
    `${group}: ${result?.ready ? 'ready' : 'NOT ready'}: ${result?.from} to ${result?.to}, ${result?.lag.text}`,
    ...(result?.findings ?? []).map(({ ok, name, detail }) => `  ${ok ? 'ok  ' : 'FAIL'} ${name}: ${detail}`),
  ])
  return result?.ready ? EXIT.ok : EXIT.degraded
}

function objective({ rtoObjective: wanted }: FailoverReport): string {
  return wanted ? `, ${wanted.met ? 'within' : 'OVER'} the objective of ${wanted.seconds} s` : ''
}

function failoverLines(report: FailoverReport): string[] {
  const phases = Object.entries(report.phases).map(([name, seconds]) => `${name} ${seconds.toFixed(1)} s`)
  return [
    `${report.to} is the primary of ${report.group}; RTO ${report.rtoSeconds.toFixed(1)} s${objective(report)} (${phases.join(', ')})`,
    `fence ${report.fenceProven ? 'proved' : `not proved: attested by ${report.fence.attestedBy}`}`,
    `lost: ${report.loss.text}`,
    ...guarantees(report),
  ]
}

function standbyLines(report: StandbyReport): (string | undefined)[] {
  const { group, primary, standby, method, lost, kept } = report
  const streams = `${standby} streams from ${primary} in ${group}`
  if (method === 'none') return [`${streams}: nothing was to be done`, keptLine(standby, kept)]
  return [`${streams} again, ${howOf(report)}`, ...(lost.transactions === 0 && lost.known ? [] : lostLines(lost)), keptLine(standby, kept)]
}

const howOf = ({ method, methodReason, seconds }: Pick<StandbyReport, 'method' | 'methodReason' | 'seconds'>): string =>
  `by ${method}${methodReason ? ` (${methodReason})` : ''}, in ${seconds.toFixed(1)} s`

const keptLine = (site: string, kept: string | undefined): string | undefined =>
  kept && `the old data of ${site} stays in ${kept}: look whether anybody needs it, then remove it`

const lostLines = (lost: LostWrites): string[] => [
  lost.known ? `${lost.transactions} transactions existed only on the old side` : `what was lost is not known: ${lost.why}`,
  ...lost.tables.map(({ name, rows, deletes }) => `  ${name}: ${rows} rows, ${deletes} deletes`),
  ...lost.exported.map((key) => `  exported ${key}`),
  ...(lost.warnings ?? []).map((warning) => `  not exported: ${warning}`),
]

function failbackLines(report: FailbackReport): (string | undefined)[] {
  const { kept, backup } = report
  return [
    `${report.to} is the primary of ${report.group} again, ${howOf(report)}`,
    ...lostLines(report.lost),
    keptLine(report.to, kept),
    backup && `backup ${backup}`,
    ...guarantees(report),
  ]
}

const guarantees = ({ guaranteesLost }: { guaranteesLost: string[] }) => guaranteesLost.map((one) => `guarantee lost: ${one}`)
