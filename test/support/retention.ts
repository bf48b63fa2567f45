/** Recovery points as retention sees them: by their age in days, at a moment that stands still. */
import { pointId } from '../../src/core/ids.ts'
import type { PointSummary } from '../../src/core/records.ts'
import type { RetentionRules } from '../../src/core/retention.ts'

export const NOW = new Date('2026-03-31T12:00:00Z')
const DAY = 86_400_000
export const NONE: RetentionRules = { keepLast: 1, daily: 0, weekly: 0, monthly: 0, yearly: 0 }
type Proof = NonNullable<PointSummary['proof']>

export function point(daysAgo: number, more: Partial<PointSummary> = {}): PointSummary {
  const at = new Date(NOW.getTime() - daysAgo * DAY)
  const kind = more.kind ?? 'scheduled'
  return {
    source: 'orders',
    id: pointId(at, kind),
    kind,
    driver: 'postgres-logical',
    createdAt: at.toISOString(),
    completedAt: at.toISOString(),
    sizeBytes: 1,
    storedBytes: 1,
    fileCount: 1,
    tags: [],
    parents: [],
    held: false,
    good: false,
    ...more,
  }
}
export const proved = { good: true, proof: { depth: 'full', at: NOW.toISOString(), ok: true } as Proof }
export const failed = { good: false, proof: { depth: 'full', at: NOW.toISOString(), ok: false } as Proof }
