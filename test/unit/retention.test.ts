import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { POINT_KINDS, pointId } from '../../src/core/ids.ts'
import type { PointSummary } from '../../src/core/records.ts'
import { planRetention, type RetentionRules } from '../../src/core/retention.ts'

const NOW = new Date('2026-03-31T12:00:00Z')
const DAY = 86_400_000
const NONE: RetentionRules = { keepLast: 1, daily: 0, weekly: 0, monthly: 0, yearly: 0 }
type Proof = NonNullable<PointSummary['proof']>

function point(daysAgo: number, more: Partial<PointSummary> = {}): PointSummary {
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
const proved = { good: true, proof: { depth: 'full', at: NOW.toISOString(), ok: true } as Proof }
const failed = { good: false, proof: { depth: 'full', at: NOW.toISOString(), ok: false } as Proof }
const plan = (points: PointSummary[], rules: Partial<RetentionRules> = {}, healthy = true) =>
  planRetention(points, { ...NONE, ...rules }, NOW, { healthy })
const deleted = (points: PointSummary[], rules: Partial<RetentionRules> = {}) => plan(points, rules).delete.map(({ id }) => id)
const ids = (points: PointSummary[]) => points.map(({ id }) => id)

describe('retention keeps', () => {
  it('the last N', () => {
    const points = [0, 1, 2, 3, 4].map((days) => point(days))
    expect(deleted(points, { keepLast: 3 })).toEqual(ids(points.slice(3)))
  })

  it('everything within a time', () => {
    const points = [0, 10, 29, 31].map((days) => point(days))
    expect(deleted(points, { keepWithin: '30d' })).toEqual(ids(points.slice(3)))
  })

  it('the newest point that is older than the recoverable window, and one whose proof failed only for want of another', () => {
    const points = [0, 3, 6, 8, 10].map((days) => point(days))
    expect(deleted(points, { pitrWindow: '7d' })).toEqual(ids([points[1], points[2], points[4]] as PointSummary[]))
    const broken = [point(0), point(8, failed), point(10), point(12)]
    expect(deleted(broken, { pitrWindow: '7d' })).toEqual(ids([broken[1], broken[3]] as PointSummary[]))
    const all = [point(0), point(8, failed)]
    expect(plan(all, { pitrWindow: '7d' }).keep[1]).toMatchObject({ id: all[1]?.id, reasons: ['any moment of the last 7d needs it'] })
  })

  it('the newest of each day, week, month and year', () => {
    const hourly = [0, 0.1, 1, 1.1, 2, 2.1].map((days) => point(days))
    expect(plan(hourly, { daily: 3 }).keep.map(({ id }) => id)).toEqual([hourly[0]?.id, hourly[2]?.id, hourly[4]?.id])
    const daily = Array.from({ length: 800 }, (_, days) => point(days))
    const kept = (rules: Partial<RetentionRules>) => plan(daily, rules).keep.map(({ id }) => id.slice(0, 8))
    expect(kept({ weekly: 3 })).toEqual(['20260331', '20260329', '20260322'])
    expect(kept({ monthly: 3 })).toEqual(['20260331', '20260228', '20260131'])
    expect(kept({ yearly: 3 })).toEqual(['20260331', '20251231', '20241231'])
  })

  it('the last good point, however many unproved ones are newer', () => {
    const points = [...Array.from({ length: 20 }, (_, days) => point(days)), point(100, proved)]
    expect(plan(points, { keepLast: 3 }).keep.at(-1)).toMatchObject({ id: points[20]?.id, reasons: expect.arrayContaining(['last good']) })
  })

  it('as many proved points as the rule says, beside unproved and failed ones', () => {
    const good = [10, 11, 12, 13].map((days) => point(days, proved))
    const points = [...[0, 1, 2].map((days) => point(days)), ...[3, 4].map((days) => point(days, failed)), ...good]
    const kept = plan(points, { keepLast: 3 }).keep.map(({ id }) => id)
    expect(kept).toEqual([...ids(points.slice(0, 3)), ...ids(good.slice(0, 3))])
  })

  it('as many standing points as the rule says, beside newer ones whose proof failed; of these only the newest of all', () => {
    const points = [...[0, 1, 2].map((days) => point(days, failed)), ...[3, 4, 5].map((days) => point(days))]
    expect(plan(points, { keepLast: 2 }).keep.map(({ id }) => id)).toEqual(ids([points[0], points[3], points[4]] as PointSummary[]))
  })

  it('what a kept point needs, to the first of the chain', () => {
    const full = point(30, { kind: 'full' })
    const middle = point(20, { kind: 'incremental', parents: [full.id] })
    const last = point(0, { kind: 'incremental', parents: [middle.id] })
    const lone = point(25, { kind: 'full' })
    expect(deleted([full, lone, middle, last])).toEqual([lone.id])
  })

  it('what is held, and what that needs', () => {
    const full = point(40, { kind: 'full' })
    const held = point(30, { kind: 'incremental', parents: [full.id], held: true })
    expect(deleted([full, held, point(0)])).toEqual([])
  })

  it('safety copies of restores for seven days, whatever the rules', () => {
    const copies = [6, 8].map((days) => point(days, { kind: 'pre_restore' }))
    const points = [point(9), point(10), ...copies]
    expect(plan(points, { keepLast: 2 }).delete).toEqual([{ source: 'orders', id: copies[1]?.id, reason: 'safety copy older than 7 days' }])
  })

  it('everything while the source is unhealthy', () => {
    const points = Array.from({ length: 9 }, (_, days) => point(days))
    const result = plan(points, {}, false)
    expect(result.delete).toEqual([])
    expect(result.keep).toHaveLength(9)
    expect(result.keep[3]?.reasons.join()).toMatch(/unhealthy/)
  })

  it('the last good of every source by itself', () => {
    const points = ['orders', 'users'].flatMap((source) => [point(0, { source }), point(50, { source, ...proved }), point(60, { source })])
    expect(plan(points).delete).toEqual(['orders', 'users'].map((source) => ({ source, id: point(60).id, reason: 'no rule keeps it' })))
  })
})

/** Histories with chains, holds, failures and safety copies, in any order. */
const histories = fc
  .array(
    fc.record({
      minutes: fc.integer({ min: 0, max: 3 * 365 * 24 * 60 }),
      kind: fc.constantFrom(...POINT_KINDS),
      verdict: fc.constantFrom('none', 'good', 'failed', 'listed'),
      held: fc.boolean(),
      parents: fc.array(fc.nat(60), { maxLength: 2 }),
      source: fc.constantFrom('orders', 'users'),
      rare: fc.nat(9),
    }),
    { maxLength: 60 },
  )
  .map((drafts) => {
    const points = drafts.map((draft, index) =>
      point(draft.minutes / 1440, {
        kind: draft.kind,
        source: draft.source,
        id: `${pointId(new Date(NOW.getTime() - draft.minutes * 60_000), draft.kind)}_${index + 2}`,
        held: draft.held && draft.rare === 0,
        ...(draft.verdict === 'good'
          ? proved
          : draft.verdict === 'failed'
            ? failed
            : draft.verdict === 'listed'
              ? { proof: { depth: 'list', at: NOW.toISOString(), ok: true } as Proof }
              : {}),
      }),
    )
    return points.map((one, index) => ({
      ...one,
      parents: (drafts[index]?.parents ?? [])
        .flatMap((other) => points[other] ?? [])
        .filter((other) => other.source === one.source && other.createdAt < one.createdAt)
        .map(({ id }) => id),
    }))
  })
const anyRules = fc.record({
  keepLast: fc.integer({ min: 1, max: 9 }),
  daily: fc.nat(9),
  weekly: fc.nat(9),
  monthly: fc.nat(9),
  yearly: fc.nat(4),
  keepWithin: fc.option(
    fc.integer({ min: 1, max: 400 }).map((days) => `${days}d`),
    { nil: undefined },
  ),
})
const always = (promise: (points: PointSummary[], rules: RetentionRules) => void) =>
  fc.assert(fc.property(histories, anyRules, promise), { numRuns: 400 })
const planned = (points: PointSummary[], rules: RetentionRules, healthy = true) => planRetention(points, rules, NOW, { healthy })

describe('whatever the history and the rules, retention', () => {
  it('decides each point once', () =>
    always((points, rules) => {
      const { keep, delete: gone } = planned(points, rules)
      expect([...keep, ...gone].map(({ id }) => id).sort()).toEqual(ids(points).sort())
      expect(keep.every(({ reasons }) => reasons.length > 0)).toBe(true)
    }))

  it('never deletes the last good point of a source', () =>
    always((points, rules) => {
      const gone = new Set(planned(points, rules).delete.map(({ id }) => id))
      for (const source of ['orders', 'users']) {
        const good = points.filter((one) => one.source === source && one.good)
        if (good.length > 0) expect(good.some(({ id }) => !gone.has(id))).toBe(true)
        const newest = good.filter(({ kind }) => kind !== 'pre_restore').sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1))[0]
        if (newest && good.filter(({ createdAt }) => createdAt === newest.createdAt).length === 1) expect(gone.has(newest.id)).toBe(false)
      }
    }))

  it('keeps what a kept point needs, and lists for deletion what needs before what is needed', () =>
    always((points, rules) => {
      const gone = planned(points, rules).delete.map(({ id }) => id)
      for (const one of points)
        for (const parent of one.parents) {
          if (!gone.includes(one.id)) expect(gone).not.toContain(parent)
          else if (gone.includes(parent)) expect(gone.indexOf(one.id)).toBeLessThan(gone.indexOf(parent))
        }
    }))

  it('never deletes what is held', () =>
    always((points, rules) => {
      const gone = planned(points, rules).delete.map(({ id }) => id)
      for (const one of points) if (one.held) expect(gone).not.toContain(one.id)
    }))

  it('keeps as many good points as keepLast says', () =>
    always((points, rules) => {
      const gone = new Set(planned(points, rules).delete.map(({ id }) => id))
      for (const source of ['orders', 'users']) {
        const good = points.filter((one) => one.source === source && one.good && one.kind !== 'pre_restore')
        expect(good.filter(({ id }) => !gone.has(id)).length).toBeGreaterThanOrEqual(Math.min(rules.keepLast, good.length))
      }
    }))

  it('deletes nothing of an unhealthy source', () =>
    always((points, rules) => {
      expect(planned(points, rules, false).delete).toEqual([])
    }))

  it('finds nothing more to delete in what it kept', () =>
    always((points, rules) => {
      const gone = new Set(planned(points, rules).delete.map(({ id }) => id))
      expect(
        planned(
          points.filter(({ id }) => !gone.has(id)),
          rules,
        ).delete,
      ).toEqual([])
    }))

  it('gives the same list for a dry run, for any order of the points', () =>
    always((points, rules) => {
      expect(planned([...points].reverse(), rules)).toEqual(planned(points, rules))
    }))
})
