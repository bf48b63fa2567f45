/** Which recovery point is meant where none is named. */
import type { PointSummary } from './records.ts'

/** For sort(): of points of one moment, which no two of a source are, the greater id is the newer. */
export function newestFirst(a: Pick<PointSummary, 'createdAt' | 'id'>, b: Pick<PointSummary, 'createdAt' | 'id'>): number {
  return Date.parse(b.createdAt) - Date.parse(a.createdAt) || (a.id < b.id ? 1 : -1)
}

/** The newest; a copy that a restore took of what it replaced only where there is nothing else: it is what somebody wanted rid of. */
export function newestOf(points: readonly PointSummary[]): PointSummary | undefined {
  const sorted = [...points].sort(newestFirst)
  return sorted.find(({ kind }) => kind !== 'pre_restore') ?? sorted[0]
}

export interface Choice {
  id: string
  /** What whoever restores it has to know. */
  warnings: string[]
}

/**
 * What a restore takes where none is named: the newest that nothing speaks against, and what it passed over for that; where
 * something speaks against each, the newest.
 */
export function soundestOf(points: readonly PointSummary[]): Choice | undefined {
  const regular = points.filter(({ kind }) => kind !== 'pre_restore')
  const sorted = [...(regular.length > 0 ? regular : points)].sort(newestFirst)
  const at = sorted.findIndex((point) => objectionTo(point, points) === undefined)
  const chosen = sorted[Math.max(at, 0)]
  if (!chosen) return undefined
  const passedOver = sorted
    .slice(0, Math.max(at, 0))
    .map((point) => `${point.id} is newer and was passed over: ${objectionTo(point, points)}`)
  return { id: chosen.id, warnings: [...passedOver, ...warningsOf(chosen, points)] }
}

export function warningsOf(point: PointSummary, points: readonly PointSummary[]): string[] {
  const why = objectionTo(point, points)
  return [
    ...(why === undefined ? [] : [`${point.id}: ${why}`]),
    ...(point.kind === 'pre_restore' ? [`${point.id} is the copy of what a restore replaced`] : []),
  ]
}

/** Its own proof failed, or, where no restore of it was proved, that of one that it rests on. */
export function objectionTo({ proof, good, parents }: PointSummary, points: readonly PointSummary[]): string | undefined {
  if (proof?.ok === false) return `its proof of depth ${proof.depth} FAILED`
  if (good) return undefined
  const bad = points.find((point) => parents.includes(point.id) && objectionTo(point, points) !== undefined)
  return bad && `it rests on ${bad.id}, whose proof FAILED`
}
