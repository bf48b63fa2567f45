/** backup, verify, prune: what schedules do, by hand. */
import type { Command } from 'commander'
import { PROOF_DEPTHS } from '../../contract/vocabulary.ts'
import { EXIT, HoldfastError } from '../../core/errors.ts'
import { POINT_KINDS } from '../../core/ids.ts'
import { again, type CommandContext } from '../context.ts'
import { bytes } from '../output.ts'
import type { Action } from '../program.ts'
import { type RetentionDone, retentionLines } from '../retention-report.ts'
import { requireValid, runWorkflow } from '../runs.ts'
import { verifyUnproved } from '../verify-unproved.ts'

interface BackupDone {
  id: string
  storedBytes: number
  seconds: number
  warnings: string[]
  proof?: { ok: boolean; depth: string }
  copies?: string[]
}
interface ProofDone {
  id: string
  depth: string
  ok: boolean
  passed: number
  assertions: number
  seconds: number
  failures?: string[]
  /** Of the scratch instance that was left running. */
  kept?: string
  instance?: string
  /** Of the copy that was looked at, and why. */
  repository?: string
  warnings?: string[]
}
interface BackupOptions {
  kind: string
  tag?: string[]
  description?: string
  schemaVersion?: string
  prove?: string
  detach: boolean
}
interface VerifyOptions {
  depth: string
  unproved: boolean
  repository?: string
  keep: boolean
  thaw: boolean
  detach: boolean
}

const KINDS = POINT_KINDS.filter((kind) => kind !== 'adopted')
const DETACH = ['--detach', 'do not wait: print the id of the run', false] as const
const DEPTHS = PROOF_DEPTHS.join(', ')

export function addBackupCommands(program: Command, action: Action): void {
  program
    .command('backup <source>')
    .description('take a recovery point')
    .option('-k, --kind <kind>', `one of ${KINDS.join(', ')}`, 'manual')
    .option('-t, --tag <tag>', 'a word to find it by; again for more', again)
    .option('-d, --description <text>', 'why it was taken')
    .option('--schema-version <version>', 'of the application, kept with the point')
    .option('--prove <depth>', `prove it at once: ${DEPTHS}`)
    .option(...DETACH)
    .action(action(backup))
  program
    .command('verify <source> [point]')
    .description('prove a recovery point by restoring it: the newest by default, or "random"')
    .option('--depth <depth>', `one of ${DEPTHS}; only the last two make it good`, 'full')
    .option('--unproved', 'every point that is not proved yet, one after the other; one that fails keeps none from its turn', false)
    .option('--keep', 'leave the scratch instance running', false)
    .option('--repository <name>', 'the copy there; without it its own, or where that is away or damaged, a copy')
    .option('--thaw', 'of a point in an archive class: ask for it, and wait until it can be read, which takes hours', false)
    .option(...DETACH)
    .action(action(verify))
  program
    .command('prune [source]')
    .description('apply the retention rules')
    .option('--dry-run', 'show what would go', false)
    .option('--repository <name>', 'of the copies there, by the rules of there')
    .action(
      action(async (context, source: string | undefined, o: { dryRun: boolean; repository?: string }) => {
        const { result } = await runWorkflow<RetentionDone[]>(context, 'retention', { source, ...o })
        context.output.result(
          result,
          (result ?? []).flatMap((one) => retentionLines(one, o.dryRun)),
        )
      }),
    )
}

async function backup(context: CommandContext, source: string, o: BackupOptions): Promise<void> {
  const { kind, tag: tags, description, schemaVersion, prove, detach } = o
  const input = { source, kind, tags, description, schemaVersion, prove }
  const { workflowId, result } = await runWorkflow<BackupDone>(context, 'backup', input, { detach })
  context.output.result(result ?? { workflowId }, result ? backupLines(result) : [workflowId])
}

async function verify(context: CommandContext, source: string, point: string | undefined, o: VerifyOptions): Promise<number> {
  if (o.unproved) return proveAll(context, source, point, o)
  const input = { source, recoveryPoint: point, depth: o.depth, keep: o.keep, repository: o.repository, thaw: o.thaw }
  const { workflowId, result } = await runWorkflow<ProofDone>(context, 'verifyRestore', input, { detach: o.detach })
  context.output.result(result ?? { workflowId }, result ? proofLines(source, result) : [workflowId])
  return result?.ok === false ? EXIT.integrity : EXIT.ok
}

async function proveAll(context: CommandContext, source: string, point: string | undefined, o: VerifyOptions): Promise<number> {
  if (point !== undefined || o.keep || o.detach)
    throw new HoldfastError(
      'INPUT_INVALID',
      '--unproved stands for all points that need it, each proved and awaited: no point, --keep or --detach',
      {
        object: source,
        next: `holdfast verify ${source} --unproved`,
      },
    )
  const { depth, repository, thaw } = o
  requireValid('verifyRestore', { source, depth })
  return verifyUnproved(context, { source, depth, repository, thaw }, async (recoveryPoint) => {
    const { result } = await runWorkflow<ProofDone>(context, 'verifyRestore', { source, recoveryPoint, depth, repository, thaw })
    return result as ProofDone
  })
}

function backupLines({ id, storedBytes, seconds, warnings, proof, copies = [] }: BackupDone): (string | undefined)[] {
  return [
    `${id}: ${bytes(storedBytes)} in ${seconds.toFixed(1)} s`,
    ...warnings.map((warning) => `warning: ${warning}`),
    proof && `proof ${proof.depth}: ${proof.ok ? 'passed' : 'FAILED'}`,
    copies.length > 0 ? `copied to ${copies.join(', ')}` : undefined,
  ]
}

function proofLines(source: string, done: ProofDone): string[] {
  const { id, depth, passed, assertions, seconds, failures = [], warnings = [], kept, instance } = done
  return [
    `${id}${done.repository ? ` in ${done.repository}` : ''} ${depth}: ${passed} of ${assertions} assertions in ${seconds.toFixed(1)} s`,
    ...failures.map((failure) => `FAILED ${failure}`),
    ...warnings.map((warning) => `warning: ${warning}`),
    ...(kept && instance ? [`the scratch instance runs on: psql "${kept}"`, `when done: holdfast discard ${source} ${instance}`] : []),
  ]
}
