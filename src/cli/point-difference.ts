/** Two recovery points beside each other, as the command line shows it. */
import { HoldfastError } from '../core/errors.ts'
import { differenceOf, type FileChange, type PointDifference } from '../core/point-difference.ts'
import { type CommandContext, withServices } from './context.ts'
import { bytes } from './output.ts'

/** From the repository alone: the source may be gone, and Temporal down. */
export async function comparePoints(
  context: CommandContext,
  source: string,
  points: [string, string],
  choice: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const ignored = Object.keys(choice).find((option) => choice[option] !== undefined)
  if (ignored !== undefined)
    throw new HoldfastError('INPUT_INVALID', `--${ignored} means nothing between two points, which are compared whole`, {
      object: `--${ignored}`,
      next: `leave --${ignored} out`,
    })
  const found = await withServices(context, async (services, config) => {
    const repository = config.sources[source]?.repository
    if (repository === undefined)
      throw new HoldfastError('NOT_FOUND', `no source "${source}"; there is ${Object.keys(config.sources).join(', ') || 'none'}`, {
        object: source,
      })
    const catalog = await services.catalog(repository)
    const [from, to] = points
    return differenceOf((await catalog.readManifest(source, from)).manifest, (await catalog.readManifest(source, to)).manifest)
  })
  context.output.result(found, differenceLines(found))
}

/** So many of each: the whole is in the document of --json. */
const SHOWN = 100

export function differenceLines({ source, from, to, files, unknown, facts }: PointDifference): string[] {
  const { added, changed, removed, same } = files
  return [
    `${source} from ${from} to ${to}: ${added.length} files added, ${changed.length} changed, ${removed.length} removed, ${same} the same`,
    ...some(added, ({ name, after = 0 }: FileChange) => `+ ${name}  ${bytes(after)}`),
    ...some(changed, ({ name, before = 0, after = 0 }: FileChange) => `~ ${name}  ${bytes(before)}, then ${bytes(after)}`),
    ...some(removed, ({ name, before = 0 }: FileChange) => `- ${name}  ${bytes(before)}`),
    ...some(unknown, (name) => `? ${name}  stored as a stream: whether it holds the same is told by the facts alone`),
    ...some(facts, ({ thing, fact, before = 'none', after = 'none' }) => `  ${thing}: ${fact} ${before}, then ${after}`),
  ]
}

function some<T>(changes: readonly T[], line: (change: T) => string): string[] {
  const more = changes.length - SHOWN
  return [...changes.slice(0, SHOWN).map(line), ...(more > 0 ? [`and ${more} more`] : [])]
}
