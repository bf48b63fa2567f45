/** list, show, delete, hold: recovery points as the repository has them. */
import type { Command } from 'commander'
import type { PointSummary } from '../../core/records.ts'
import { type CommandContext, withServices } from '../context.ts'
import { bytes, columns } from '../output.ts'
import type { Action } from '../program.ts'
import { runWorkflow } from '../runs.ts'

export function addPointCommands(program: Command, action: Action): void {
  program.command('list [source]').description('recovery points, oldest first').option('-k, --kind <kind>').option('--good', 'only proved ones', false).option('-t, --tag <tag>')
    .action(action(async (context, source: string | undefined, o: { kind?: string; good: boolean; tag?: string }) => {
      const points = (await allPoints(context, source)).filter((p) => (!o.kind || p.kind === o.kind) && (!o.good || p.good) && (!o.tag || p.tags.includes(o.tag)))
      const rows = points.map((p) => [p.source, p.id, p.kind, bytes(p.storedBytes), p.proof ? `${p.proof.depth} ${p.proof.ok ? 'passed' : 'FAILED'}` : 'unproved', p.held ? 'held' : '', p.tags.join(',')])
      context.output.result({ points, total: points.length }, points.length === 0 ? ['no recovery points'] : columns([['source', 'id', 'kind', 'stored', 'proof', 'hold', 'tags'], ...rows]))
    }))

  program.command('show <source> <point>').description('everything known of one recovery point: manifest, proofs, holds')
    .action(action((context, source: string, id: string) => withServices(context, async (services, config) => {
      const catalog = await services.catalog(config.sources[source]?.repository ?? Object.keys(config.repositories)[0] ?? '')
      const { manifest, digest } = await catalog.readManifest(source, id)
      const [proofs, holds] = await Promise.all([catalog.proofsOf(source, id), catalog.holdsOf(source, id)])
      context.output.result({ manifest, digest, proofs, holds }, [
        `${manifest.source} ${manifest.id} (${manifest.driver}, ${manifest.kind})`, `created ${manifest.createdAt}, completed ${manifest.completedAt}`,
        manifest.description && `description: ${manifest.description}`, `plain ${bytes(manifest.sizeBytes)}, stored ${bytes(manifest.storedBytes)}, ${manifest.fileCount} files`,
        `consistent at ${[manifest.consistency.lsn, manifest.consistency.restorePoint, manifest.consistency.time].filter(Boolean).join(', ')}`,
        manifest.reference && `engine ${manifest.reference.engine}: ${manifest.reference.label}, WAL ${manifest.reference.walStart} to ${manifest.reference.walStop}`,
        ...manifest.artifacts.map((a) => `artifact ${a.part} (${a.role}): ${bytes(a.storedBytes)}, blake3 ${a.blake3.slice(0, 16)}…`),
        ...Object.entries(manifest.versions).map(([name, version]) => `version ${name}: ${version}`),
        ...manifest.warnings.map((w) => `warning: ${w}`),
        ...proofs.map((p) => `proof ${p.depth} ${p.ok ? 'passed' : 'FAILED'} at ${p.completedAt}: ${p.assertions.filter((a) => a.ok).length} of ${p.assertions.length} assertions`),
        ...holds.map((h) => `${h.held ? 'held' : 'released'} by ${h.actor} at ${h.at}: ${h.reason}`),
      ])
    })))

  program.command('delete <source> <point>').description('delete one recovery point').requiredOption('--confirm <id>', 'the id once more').option('--by <name>', 'who asks', process.env['USER'] ?? 'unknown')
    .action(action(async (context, source: string, recoveryPoint: string, o: { confirm: string; by: string }) => {
      const { result } = await runWorkflow(context, 'deleteRecoveryPoint', { source, recoveryPoint, confirm: o.confirm, requestedBy: o.by })
      context.output.result(result, [`deleted ${recoveryPoint}`])
    }))

  program.command('hold <source> <point>').description('keep a recovery point whatever the rules say').requiredOption('--reason <text>').option('--release', 'end the hold', false).option('--by <name>', 'who asks', process.env['USER'] ?? 'unknown')
    .action(action(async (context, source: string, recoveryPoint: string, o: { reason: string; release: boolean; by: string }) => {
      const { result } = await runWorkflow(context, 'holdRecoveryPoint', { source, recoveryPoint, held: !o.release, actor: o.by, reason: o.reason })
      context.output.result(result, [`${o.release ? 'released' : 'held'} ${recoveryPoint}`])
    }))
}

export async function allPoints(context: CommandContext, source?: string): Promise<PointSummary[]> {
  return withServices(context, async (services, config) => {
    const repositories = source ? [config.sources[source]?.repository ?? ''].filter(Boolean) : Object.keys(config.repositories)
    const listed = await Promise.all((repositories.length > 0 ? repositories : Object.keys(config.repositories)).map(async (name) => (await services.catalog(name)).listPoints(source)))
    return listed.flat()
  })
}
