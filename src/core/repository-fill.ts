/** How full a repository may get: a warning, and a cap beyond which no backup is begun. Nothing is ever deleted for room. Pure. */
import { bytesOf, sizeText } from './duration.ts'
import { HoldfastError } from './errors.ts'
import type { PointKind } from './ids.ts'
import { newestFirst } from './points.ts'
import { standingFailures } from './proofs.ts'
import type { PointSummary } from './records.ts'

/** Sizes like `80GB`. */
export interface RepositoryLimit {
  warn?: string | undefined
  cap?: string | undefined
}

export interface RepositoryFill {
  repository: string
  usedBytes: number
  warnBytes?: number
  capBytes?: number
  /** `full`: no backup is begun any more. */
  state: 'ok' | 'warn' | 'full'
}

export function fillOf(repository: string, { warn, cap }: RepositoryLimit, points: readonly PointSummary[]): RepositoryFill {
  const usedBytes = points.reduce((sum, { storedBytes }) => sum + storedBytes, 0)
  const [warnBytes, capBytes] = [warn, cap].map((size) => (size === undefined ? undefined : bytesOf(size)))
  const state =
    usedBytes >= (capBytes ?? Number.POSITIVE_INFINITY) ? 'full' : usedBytes > (warnBytes ?? Number.POSITIVE_INFINITY) ? 'warn' : 'ok'
  return { repository, usedBytes, state, ...(warnBytes !== undefined && { warnBytes }), ...(capBytes !== undefined && { capBytes }) }
}

/** Copies of what a restore is about to replace, and the first backup after a failback: an incident does not wait for room. */
const NEVER_REFUSED: readonly PointKind[] = ['pre_restore', 'post_failover']

export interface Wanted {
  source: string
  kind: PointKind
  /** Bytes of the source as it stands: for a first backup, of which nothing says how small it becomes. */
  estimateBytes: number
}

/** What to warn of before a backup. Throws REPOSITORY_FULL where it would take the repository beyond its cap. */
export function admit(fill: RepositoryFill, points: readonly PointSummary[], { source, kind, estimateBytes }: Wanted): string | undefined {
  const { repository, usedBytes, warnBytes, capBytes } = fill
  const likely =
    likelyBytes(
      points.filter((point) => point.source === source),
      kind,
    ) ?? estimateBytes
  const holds = `the repository ${repository} holds ${sizeText(usedBytes)} of recovery points`
  const beyond = usedBytes + likely
  if (capBytes !== undefined && beyond > capBytes && !NEVER_REFUSED.includes(kind))
    throw new HoldfastError(
      'REPOSITORY_FULL',
      `${holds}, and this one would take it to about ${sizeText(beyond)}: its cap is ${sizeText(capBytes)}`,
      {
        object: repository,
        next: `holdfast prune --dry-run says what the rules would free; release holds, keep less, or raise repositories.${repository}.limit.cap where the store has room${blocked(points)}`,
      },
    )
  if (warnBytes === undefined || beyond <= warnBytes) return undefined
  const end = capBytes === undefined ? '' : `; beyond ${sizeText(capBytes)} no backup is begun`
  return `${holds}, about ${sizeText(beyond)} with this one: more than ${sizeText(warnBytes)}${end}`
}

/** As the last of its kind was; where there is none, as the largest of the source: an incremental is no larger than a full one. */
function likelyBytes(own: readonly PointSummary[], kind: PointKind): number | undefined {
  const last = own.filter((point) => point.kind === kind).sort(newestFirst)[0]
  return last?.storedBytes ?? (own.length > 0 ? Math.max(...own.map(({ storedBytes }) => storedBytes)) : undefined)
}

function blocked(points: readonly PointSummary[]): string {
  const sources = [...new Set(points.map(({ source }) => source))]
  const unhealthy = sources.filter((source) => standingFailures(points.filter((point) => point.source === source)).length > 0)
  return unhealthy.length === 0
    ? ''
    : `; of ${unhealthy.join(', ')} nothing is deleted while a failed proof stands: prove a newer point first`
}
