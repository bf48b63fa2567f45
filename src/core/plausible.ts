/** A backup is judged against the one before it, not by a fixed floor: an empty database is legitimate, a loss of nine tenths is not. */
import { newestFirst } from './points.ts'
import { HoldfastError } from './errors.ts'
import type { PointKind } from './ids.ts'
import type { PointSummary } from './records.ts'

const INCREMENTS: PointKind[] = ['incremental', 'differential']
const LEAST_SHARE = 0.1
/** Below this, shares say nothing. */
const SMALL_BYTES = 1_000_000

export interface Candidate {
  source: string
  id: string
  kind: PointKind
  driver: string
  sizeBytes: number /** Somebody wrote why it is right. */
  accepted: boolean
}

/** Throws BACKUP_IMPLAUSIBLE where the new point has less than a tenth of the previous comparable one. */
export function checkPlausible(candidate: Candidate, points: PointSummary[]): void {
  const increment = (kind: PointKind) => INCREMENTS.includes(kind)
  const previous = points
    .filter(
      (point) =>
        point.source === candidate.source &&
        point.driver === candidate.driver &&
        point.id !== candidate.id &&
        increment(point.kind) === increment(candidate.kind),
    )
    .sort(newestFirst)[0]
  if (!previous || candidate.accepted || previous.sizeBytes < SMALL_BYTES) return
  if (candidate.sizeBytes >= previous.sizeBytes * LEAST_SHARE) return
  throw new HoldfastError(
    'BACKUP_IMPLAUSIBLE',
    `${candidate.id} has ${candidate.sizeBytes} bytes, ${previous.id} had ${previous.sizeBytes}`,
    {
      object: candidate.id,
      next: 'look at the source; if it is right, start the backup again with a description that says why',
    },
  )
}
