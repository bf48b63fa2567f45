/** backup, verify, prune, apply: what schedules do, by hand. */
import type { Command } from 'commander'
import { POINT_KINDS } from '../../core/ids.ts'
import { EXIT } from '../../core/errors.ts'
import { reconcileSchedules } from '../../temporal/schedules.ts'
import { registerSearchAttributes } from '../../temporal/search-attributes.ts'
import { withClient } from '../context.ts'
import { bytes } from '../output.ts'
import type { Action } from '../program.ts'
import { runWorkflow } from '../runs.ts'

interface BackupDone { outcome: string; id: string; storedBytes: number; seconds: number; warnings: string[]; proof?: { ok: boolean; depth: string } }
interface ProofDone { id: string; depth: string; passed: number; assertions: number; seconds: number }
interface RetentionDone { source: string; keep: { id: string; reasons: string[] }[]; delete: { id: string; reason: string }[]; locked: string[] }

export function addBackupCommands(program: Command, action: Action): void {
  program.command('backup <source>').description('take a recovery point')
    .option('-k, --kind <kind>', `one of ${POINT_KINDS.join(', ')}`, 'manual').option('-t, --tag <tag...>', 'tags').option('-d, --description <text>', 'why it was taken')
    .option('--schema-version <version>').option('--prove <depth>', 'prove it at once: list, read, restore, full').option('--detach', 'do not wait', false)
    .action(action(async (context, source: string, o: { kind: string; tag?: string[]; description?: string; schemaVersion?: string; prove?: string; detach: boolean }) => {
      const { workflowId, result } = await runWorkflow<BackupDone>(context, 'backup', { source, kind: o.kind, tags: o.tag, description: o.description, schemaVersion: o.schemaVersion, prove: o.prove }, { detach: o.detach })
      context.output.result(result ?? { workflowId }, result ? [`${result.id}: ${bytes(result.storedBytes)} in ${result.seconds.toFixed(1)} s`, ...result.warnings.map((w) => `warning: ${w}`), result.proof && `proof ${result.proof.depth}: ${result.proof.ok ? 'passed' : 'failed'}`] : [workflowId])
      return result?.outcome === 'degraded' ? EXIT.degraded : EXIT.ok
    }))

  program.command('verify <source> [point]').description('prove a recovery point by restoring it (latest by default; or "random")')
    .option('--depth <depth>', 'list, read, restore or full', 'full').option('--keep', 'leave the scratch instance running', false).option('--detach', 'do not wait', false)
    .action(action(async (context, source: string, point: string | undefined, o: { depth: string; keep: boolean; detach: boolean }) => {
      const { workflowId, result } = await runWorkflow<ProofDone>(context, 'verifyRestore', { source, recoveryPoint: point, depth: o.depth, keep: o.keep }, { detach: o.detach })
      context.output.result(result ?? { workflowId }, [result ? `${result.id} ${result.depth}: ${result.passed} of ${result.assertions} assertions in ${result.seconds.toFixed(1)} s` : workflowId])
    }))

  program.command('prune [source]').description('apply the retention rules').option('--dry-run', 'show what would go', false)
    .action(action(async (context, source: string | undefined, o: { dryRun: boolean }) => {
      const { result } = await runWorkflow<RetentionDone[]>(context, 'retention', { source, dryRun: o.dryRun })
      context.output.result(result, (result ?? []).flatMap((report) => [
        `${report.source}: ${report.keep.length} kept, ${report.delete.length} ${o.dryRun ? 'would go' : 'deleted'}`,
        ...report.keep.map((one) => `  keep   ${one.id}  ${one.reasons.join(', ')}`), ...report.delete.map((one) => `  delete ${one.id}  ${one.reason}`),
        ...report.locked.map((id) => `  locked ${id}`),
      ]))
    }))

  program.command('apply').description('make the schedules in Temporal as the configuration says').option('--dry-run', 'show the difference', false)
    .action(action((context, o: { dryRun: boolean }) => withClient(context, async (client, config) => {
      if (!o.dryRun) await registerSearchAttributes(client)
      const changes = await reconcileSchedules(client, config, { dryRun: o.dryRun })
      context.output.result(changes, (['create', 'update', 'delete', 'unchanged'] as const).flatMap((what) => changes[what].map((id) => `${what.padEnd(9)} ${id}`)))
    })))
}
