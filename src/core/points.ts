/** Which recovery point is meant where none is named. */
import type { PointSummary } from './records.ts'

/** The newest; a copy that a restore took of what it replaced only where there is nothing else: it is what somebody wanted rid of. */
export function newestOf(points: readonly PointSummary[]): PointSummary | undefined {
  const newestFirst = [...points].sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1))
  return newestFirst.find(({ kind }) => kind !== 'pre_restore') ?? newestFirst[0]
}
