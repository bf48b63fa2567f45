/** list, show, delete, hold: recovery points as the repository has them. */
import type { Command } from 'commander'
import type { Survey } from '../../catalog/survey.ts'
import { loadConfig } from '../../config/load.ts'
import { EXIT, HoldfastError } from '../../core/errors.ts'
import { POINT_KINDS } from '../../core/ids.ts'
import type { Hold, Manifest, PointSummary, Proof } from '../../core/records.ts'
import { byOption, type CommandContext, oneOf, withServices } from '../context.ts'
import { bytes, columns } from '../output.ts'
import { copiesLines, openPoint, type PlacedPoint, type Places, surveyPlaces } from '../places.ts'
import type { Action } from '../program.ts'
import { runWorkflow } from '../runs.ts'

interface Filter {
  kind?: string
  good: boolean
  verified: boolean
  tag?: string
  signedBy?: string
}

export function addPointCommands(program: Command, action: Action): void {
  program
    .command('list [source]')
    .description('recovery points, oldest first')
    .option('-k, --kind <kind>', `of this kind only: ${POINT_KINDS.join(', ')}`, oneOf(POINT_KINDS))
    .option('--good', 'only proved ones', false)
    .option('--verified', 'the same as --good', false)
    .option('-t, --tag <tag>', 'with this tag only')
    .option('--signed-by <key>', 'only those that have a record signed by the key of this id')
    .action(
      action(async (context, source: string | undefined, filter: Filter) => {
        if (filter.signedBy !== undefined) await requireKey(context, filter.signedBy)
        const { points, problems, copies } = await surveyAll(context, source)
        const shown = points.filter((point) => fits(point, filter))
        context.output.result({ points: shown, total: shown.length, problems, copies }, [
          ...(shown.length === 0 ? ['no recovery points'] : table(shown)),
          ...copiesLines(copies),
          ...problemLines(problems),
        ])
        return problems.length > 0 ? EXIT.degraded : EXIT.ok
      }),
    )

  program
    .command('show <source> <point>')
    .description('everything known of one recovery point: manifest, proofs, holds, who can read it')
    .option('--repository <name>', 'the copy there')
    .action(
      action((context, source: string, id: string, o: { repository?: string }) =>
        withServices(context, async (services, config) => {
          const { catalog, manifest, digest, repository, others } = await openPoint(services, config, { source, id, ...o })
          const [points, proofs, holds, readers] = await Promise.all([
            catalog.listPoints(source),
            catalog.proofsOf(source, id),
            catalog.holdsOf(source, id),
            catalog.readersOf(manifest),
          ])
          const storageClasses = points.find((point) => point.id === id)?.storageClasses
          const readable = readers.map((recipient) => `readable for ${recipient}`)
          context.output.result({ manifest, digest, repository, copies: others, storageClasses, proofs, holds, readers }, [
            ...manifestLines(manifest),
            storageClasses && `artifacts in ${storageClasses.join(', ')}`,
            ...(others.length > 0 ? [`in ${repository}; also in ${others.join(', ')}`] : []),
            ...readable,
            ...noteLines(proofs, holds),
          ])
        }),
      ),
    )

  program
    .command('delete <source> <point>')
    .description('delete one recovery point; refused for the last good, a needed and a held one')
    .requiredOption('--confirm <id>', 'the id once more')
    .option('--repository <name>', 'the copy there, and not the point itself')
    .addOption(byOption('who asks'))
    .action(
      action(async (context, source: string, recoveryPoint: string, o: { confirm: string; repository?: string; by: string }) => {
        const input = { source, recoveryPoint, repository: o.repository, confirm: o.confirm, requestedBy: o.by }
        const { result } = await runWorkflow(context, 'deleteRecoveryPoint', input)
        context.output.result(result, [`deleted ${recoveryPoint}`])
      }),
    )

  program
    .command('hold <source> <point>')
    .description('keep a recovery point whatever the rules say')
    .requiredOption('--reason <text>', 'why; stands in the record')
    .option('--release', 'end the hold, whoever asked for it', false)
    .option('--repository <name>', 'the copy there; a hold of the point itself comes to its copies with the next run that copies')
    .addOption(byOption('who asks'))
    .action(
      action(
        async (
          context,
          source: string,
          recoveryPoint: string,
          o: { reason: string; release: boolean; repository?: string; by: string },
        ) => {
          const input = { source, recoveryPoint, repository: o.repository, held: !o.release, actor: o.by, reason: o.reason }
          const { result } = await runWorkflow(context, 'holdRecoveryPoint', input)
          context.output.result(result, [`${o.release ? 'released' : 'held'} ${recoveryPoint}`])
        },
      ),
    )
}

/** The points of a source, or of all, with what could not be trusted. A source that nobody knows is NOT_FOUND. */
export async function surveyAll(context: CommandContext, source?: string): Promise<Places> {
  return withServices(context, async (services, config) => {
    const found = await surveyPlaces(services, config, source)
    if (source !== undefined && !config.sources[source] && found.points.length === 0) {
      const next = `there is ${Object.keys(config.sources).join(', ') || 'none'}`
      throw new HoldfastError('NOT_FOUND', `neither the configuration nor a repository knows a source "${source}"`, {
        object: source,
        next,
      })
    }
    return found
  })
}

/** Altered or planted records: somebody has to look. */
export function problemLines(problems: Survey['problems']): string[] {
  return problems.map(({ key, code, message }) => `NOT TRUSTED ${key}: ${code}: ${message}`)
}

/** Else a key that was mistyped would look like one that nothing needs any more. */
async function requireKey(context: CommandContext, id: string): Promise<void> {
  const { publicKeys } = (await loadConfig(context.options.config)).signing
  if (Object.hasOwn(publicKeys, id)) return
  throw new HoldfastError('INPUT_INVALID', `signing.publicKeys has no key "${id}"`, {
    object: id,
    next: `there is ${Object.keys(publicKeys).join(', ')}; what a key signed that is not there is NOT TRUSTED`,
  })
}

function fits(point: PointSummary, { kind, good, verified, tag, signedBy }: Filter): boolean {
  const signed = !signedBy || point.signers?.includes(signedBy)
  return signed === true && (!kind || point.kind === kind) && (!(good || verified) || point.good) && (!tag || point.tags.includes(tag))
}

function table(points: PlacedPoint[]): string[] {
  const proof = ({ proof: last }: PointSummary) => (last ? `${last.depth} ${last.ok ? 'passed' : 'FAILED'}` : 'unproved')
  const rows = points.map((p) => [
    p.source,
    p.id,
    p.kind,
    bytes(p.storedBytes),
    proof(p),
    p.held ? 'held' : '',
    p.tags.join(','),
    p.repositories?.join(',') ?? '',
    p.storageClasses?.join(',') ?? '',
  ])
  const where = points.some(({ repositories }) => repositories) ? 'in' : ''
  const cold = points.some(({ storageClasses }) => storageClasses) ? 'class' : ''
  return columns([['source', 'id', 'kind', 'stored', 'proof', 'hold', 'tags', where, cold], ...rows])
}

function manifestLines(manifest: Manifest): (string | undefined)[] {
  const { consistency, reference } = manifest
  return [
    `${manifest.source} ${manifest.id} (${manifest.driver}, ${manifest.kind})`,
    `created ${manifest.createdAt}, completed ${manifest.completedAt}, signed by ${manifest.signature?.keyId}`,
    manifest.description && `description: ${manifest.description}`,
    `plain ${bytes(manifest.sizeBytes)}, stored ${bytes(manifest.storedBytes)}, ${manifest.fileCount} files`,
    `consistent at ${[consistency.lsn, consistency.restorePoint, consistency.time].filter(Boolean).join(', ')}`,
    reference && `engine ${reference.engine}: ${reference.label}, WAL ${reference.walStart} to ${reference.walStop}`,
    ...manifest.artifacts.map((a) => `artifact ${a.part} (${a.role}): ${bytes(a.storedBytes)}, blake3 ${a.blake3.slice(0, 16)}…`),
    ...Object.entries(manifest.versions).map(([name, version]) => `version ${name}: ${version}`),
    ...manifest.warnings.map((warning) => `warning: ${warning}`),
  ]
}

function noteLines(proofs: Proof[], holds: Hold[]): string[] {
  return [
    ...proofs.flatMap(({ depth, ok, completedAt, assertions }) => [
      `proof ${depth} ${ok ? 'passed' : 'FAILED'} at ${completedAt}: ${assertions.filter((a) => a.ok).length} of ${assertions.length} assertions`,
      ...assertions.filter((a) => !a.ok).map((a) => `  FAILED ${a.name}: expected ${a.expected}, found ${a.actual}`),
    ]),
    ...holds.map((h) => `${h.held ? 'held' : 'released'} by ${h.actor} at ${h.at}: ${h.reason}`),
  ]
}
