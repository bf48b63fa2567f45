/** Which points go into another storage class now. Pure: the same answer for a dry run and for the run that moves. */
import { seconds } from './duration.ts'
import type { PointKind } from './ids.ts'
import { newestFirst } from './points.ts'
import type { PointSummary } from './records.ts'
import { isArchive, type StorageClass } from './storage-classes.ts'

export interface Transition {
  /** Of a point that is at least so old, like `90d`. */
  after: string
  storageClass: StorageClass
  /** Points of these kinds only. */
  kinds?: readonly PointKind[] | undefined
}

export interface TransitionPlan {
  /** Newest first: what others need follows those. */
  move: { id: string; storageClass: StorageClass }[]
  /** Old enough, and left where it can be read at once. */
  stay: { id: string; why: string }[]
}

/**
 * Into an archive goes nothing that a backup, a proof or a restore of something newer may want to read at once: the newest
 * point of each kind, the last good one, and what points need that stay. `points` are those of one source that are kept.
 */
export function planTransitions(
  points: readonly PointSummary[],
  transitions: readonly Transition[],
  now: Date,
  { healthy }: { healthy: boolean },
): TransitionPlan {
  const plan: TransitionPlan = { move: [], stay: [] }
  const sorted = [...points].sort(newestFirst)
  const archived = new Set(sorted.filter(isArchived).map(({ id }) => id))
  for (const point of sorted) {
    const { id } = point
    const to = targetOf(point, transitions, now)
    if (to === undefined || !isDue(point, to)) continue
    const why = isArchive(to) ? (healthy ? wantedSoon(point, sorted, archived) : 'a failed proof of the source stands') : undefined
    if (why !== undefined) plan.stay.push({ id, why })
    else plan.move.push({ id, storageClass: to })
    if (why === undefined && isArchive(to)) archived.add(id)
  }
  return plan
}

/** The class of the latest of the rules that the point is old enough for. */
function targetOf({ kind, createdAt }: PointSummary, transitions: readonly Transition[], now: Date): StorageClass | undefined {
  const age = (now.getTime() - Date.parse(createdAt)) / 1000
  return [...transitions]
    .filter(({ kinds, after }) => (!kinds || kinds.includes(kind)) && age >= seconds(after))
    .sort((a, b) => seconds(a.after) - seconds(b.after))
    .at(-1)?.storageClass
}

/** Some of it is in another class, also where an earlier run was cut short. What is in an archive stays in it. */
const isDue = ({ storageClasses = ['STANDARD'] }: PointSummary, to: StorageClass): boolean =>
  storageClasses.some((one) => one !== to && !isArchive(one))

const isArchived = ({ storageClasses = [] }: PointSummary): boolean => storageClasses.some(isArchive)

function wantedSoon(point: PointSummary, sorted: readonly PointSummary[], archived: ReadonlySet<string>): string | undefined {
  if (sorted.find(({ kind }) => kind === point.kind) === point) return `it is the newest of kind ${point.kind}`
  if (sorted.find(({ good }) => good) === point) return 'it is the last good one'
  const needing = sorted.find(({ id, parents }) => parents.includes(point.id) && !archived.has(id))
  return needing && `${needing.id} needs it`
}

/** The archive that has to be asked before the point can be read, for itself or for what it needs of others. */
export function archiveOf({ storageClasses = [], parents }: PointSummary, points: readonly PointSummary[]): string | undefined {
  const needed = points.filter(({ id }) => parents.includes(id)).flatMap((one) => one.storageClasses ?? [])
  return [...storageClasses, ...needed].find(isArchive)
}
