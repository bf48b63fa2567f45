/** Two recovery points beside each other, as the command line shows it. */
import { HoldfastError } from '../core/errors.ts'
import { differenceOf, type FileChange, type PointDifference } from '../core/point-difference.ts'
import { type CommandContext, withServices } from './context.ts'
import { fromPlaces } from './from-places.ts'
import { bytes } from './output.ts'

/** From the repository alone: the source may be gone, and Temporal down. */
export async function comparePoints(
  context: CommandContext,
  source: string,
  points: [string, string],
  { repository, ...choice }: { repository?: string | undefined } & Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const ignored = Object.keys(choice).find((option) => choice[option] !== undefined)
  if (ignored !== undefined)
    throw new HoldfastError('INPUT_INVALID', `--${ignored} means nothing between two points, which are compared whole`, {
      object: `--${ignored}`,
      next: `leave --${ignored} out`,
    })
  const found = await withServices(context, async (services, config) => {
    const read = (id: string) =>
      fromPlaces(services, config, { source, repository }, async ({ catalog }) => (await catalog.readManifest(source, id)).manifest)
    const [from, to] = [await read(points[0]), await read(points[1])]
    return { ...differenceOf(from.found, to.found), warnings: [...new Set([...from.warnings, ...to.warnings])] }
  })
  context.output.result(found, differenceLines(found))
}

/** So many of each: the whole is in the document of --json. */
const SHOWN = 100

export function differenceLines({
  source,
  from,
  to,
  files,
  unknown,
  facts,
  warnings = [],
}: PointDifference & { warnings?: string[] }): string[] {
  const { added, changed, removed, same } = files
  return [
    `${source} from ${from} to ${to}: ${added.length} files added, ${changed.length} changed, ${removed.length} removed, ${same} the same`,
    ...some(added, ({ name, after = 0 }: FileChange) => `+ ${name}  ${bytes(after)}`),
    ...some(changed, ({ name, before = 0, after = 0 }: FileChange) => `~ ${name}  ${bytes(before)}, then ${bytes(after)}`),
    ...some(removed, ({ name, before = 0 }: FileChange) => `- ${name}  ${bytes(before)}`),
    ...some(unknown, (name) => `? ${name}  stored as a stream: whether it holds the same is told by the facts alone`),
    ...some(facts, ({ thing, fact, before = 'none', after = 'none' }) => `  ${thing}: ${fact} ${before}, then ${after}`),
    ...warnings.map((warning) => `warning: ${warning}`),
  ]
}

function some<T>(changes: readonly T[], line: (change: T) => string): string[] {
  const more = changes.length - SHOWN
  return [...changes.slice(0, SHOWN).map(line), ...(more > 0 ? [`and ${more} more`] : [])]
}
