/** failover, failback, readiness: the pair. */
import type { Command } from 'commander'
import type { FailbackReport, FailoverReport, PairPlan } from '../../contract/failover.ts'
import { EXIT } from '../../core/errors.ts'
import type { Action } from '../program.ts'
import { runWorkflow } from '../runs.ts'

const me = () => process.env['USER'] ?? 'unknown'
const phases = (report: { phases: Record<string, number> }) => Object.entries(report.phases).map(([name, seconds]) => `${name} ${seconds.toFixed(1)} s`).join(', ')

export function addFailoverCommands(program: Command, action: Action): void {
  program.command('failover <group>').description('make the other side the primary; waits for an approval by somebody else')
    .requiredOption('--reason <text>').option('--planned', 'both sides are well: lose nothing', false).option('--by <name>', 'who asks', me())
    .option('--failed-at <time>', 'when the outage began').option('--accept-loss', 'go on with a lag over the limit or unknown', false).option('--detach', 'do not wait', false)
    .action(action(async (context, group: string, o: { reason: string; planned: boolean; by: string; failedAt?: string; acceptLoss: boolean; detach: boolean }) => {
      const { workflowId, result } = await runWorkflow<FailoverReport>(context, 'failover',
        { group, mode: o.planned ? 'planned' : 'unplanned', reason: o.reason, requestedBy: o.by, failedAt: o.failedAt, acceptLoss: o.acceptLoss }, { detach: o.detach, workflowId: `failover/${group}` })
      context.output.result(result ?? { workflowId }, result ? [
        `${result.to} is the primary of ${group}; RTO ${result.rtoSeconds.toFixed(1)} s (${phases(result)})`, `fence ${result.fenceProven ? 'proved' : `not proved: ${result.fence.attestedBy}`}`,
        `lost: ${result.loss.text}`, ...result.guaranteesLost.map((one) => `guarantee lost: ${one}`),
      ] : [workflowId])
      return result?.outcome === 'degraded' ? EXIT.degraded : EXIT.ok
    }))

  program.command('failback <group>').description('rebuild the old side and make it the primary again')
    .requiredOption('--reason <text>').option('--by <name>', 'who asks', me()).option('--detach', 'do not wait', false)
    .action(action(async (context, group: string, o: { reason: string; by: string; detach: boolean }) => {
      const { workflowId, result } = await runWorkflow<FailbackReport>(context, 'failback', { group, reason: o.reason, requestedBy: o.by }, { detach: o.detach, workflowId: `failback/${group}` })
      context.output.result(result ?? { workflowId }, result ? [
        `${result.to} is the primary of ${group} again, by ${result.method}${result.methodReason ? ` (${result.methodReason})` : ''}, in ${result.seconds.toFixed(1)} s`,
        result.lost.known ? `${result.lost.transactions} transactions existed only on the old side` : `what was lost is not known: ${result.lost.why}`,
        ...result.lost.tables.map((t) => `  ${t.name}: ${t.rows} rows, ${t.deletes} deletes`), ...result.lost.exported.map((key) => `  exported ${key}`),
        result.backup && `backup ${result.backup}`, ...result.guaranteesLost.map((one) => `guarantee lost: ${one}`),
      ] : [workflowId])
      return result?.outcome === 'degraded' ? EXIT.degraded : EXIT.ok
    }))

  program.command('readiness <group>').description('every precheck of a failover, without acting')
    .action(action(async (context, group: string) => {
      const { result } = await runWorkflow<PairPlan & { ready: boolean }>(context, 'evaluateReadiness', { group })
      context.output.result(result, [`${group}: ${result?.ready ? 'ready' : 'NOT ready'}: ${result?.from} to ${result?.to}, ${result?.lag.text}`, ...(result?.findings ?? []).map((f) => `  ${f.ok ? 'ok  ' : 'FAIL'} ${f.name}: ${f.detail}`)])
      return result?.ready ? EXIT.ok : EXIT.degraded
    }))
}
