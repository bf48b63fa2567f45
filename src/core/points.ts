/** Which recovery point is meant where none is named. */
import type { PointSummary } from './records.ts'

/** The newest; a copy that a restore took of what it replaced only where there is nothing else: it is what somebody wanted rid of. */
export function newestOf(points: readonly PointSummary[]): PointSummary | undefined {
  const newestFirst = [...points].sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1))
  return newestFirst.find(({ kind }) => kind !== 'pre_restore') ?? newestFirst[0]
}

export interface Choice {
  id: string
  /** What whoever restores it has to know of its proofs. */
  warnings: string[]
}

/** What a restore takes where none is named: the newest whose proof did not fail; where all failed, the newest of them. */
export function soundestOf(points: readonly PointSummary[]): Choice | undefined {
  const sound = newestOf(points.filter(({ proof }) => proof?.ok !== false))
  const newest = newestOf(points)
  if (!sound) return newest && { id: newest.id, warnings: warningsOf(newest) }
  const passedOver = points.filter(({ proof, createdAt }) => proof?.ok === false && createdAt > sound.createdAt)
  return {
    id: sound.id,
    warnings: passedOver.map(({ id, proof }) => `${id} is newer and was passed over: its proof of depth ${proof?.depth} FAILED`),
  }
}

export function warningsOf({ id, proof }: PointSummary): string[] {
  return proof?.ok === false ? [`the proof of ${id} of depth ${proof.depth} FAILED`] : []
}
