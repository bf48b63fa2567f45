import { describe, expect, it } from 'vitest'
import type { PointSummary } from '../../src/core/records.ts'
import { planRetention, type RetentionRules } from '../../src/core/retention.ts'
import { failed, NONE, NOW, point, proved } from '../support/retention.ts'

const plan = (points: PointSummary[], rules: Partial<RetentionRules> = {}, healthy = true) =>
  planRetention(points, { ...NONE, ...rules }, NOW, { healthy })
const deleted = (points: PointSummary[], rules: Partial<RetentionRules> = {}) => plan(points, rules).delete.map(({ id }) => id)
const ids = (points: PointSummary[]) => points.map(({ id }) => id)

describe('retention keeps', () => {
  it('the last N', () => {
    const points = [0, 1, 2, 3, 4].map((days) => point(days))
    expect(deleted(points, { keepLast: 3 })).toEqual(ids(points.slice(3)))
  })

  it('what nobody asked for, and says so', () => {
    const reasons = (rules: Partial<RetentionRules>) => plan([point(0), point(1)], rules).keep.at(-1)?.reasons
    expect(reasons({ keepLast: 7, byDefault: true })).toEqual(['last 7 by default'])
    expect(reasons({ keepLast: 7 })).toEqual(['last 7'])
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

  it('points of a kind by the rules of that kind, and all the others by the general ones', () => {
    const weekly = Array.from({ length: 60 }, (_, week) => point(week * 7, { kind: 'full' }))
    const daily = Array.from({ length: 50 }, (_, days) => point(days + 0.5, { kind: 'incremental' }))
    const manual = [1.2, 2.2, 3.2].map((days) => point(days, { kind: 'manual' }))
    const kinds = { full: { keepWithin: '90d', yearly: 2 }, incremental: { keepLast: 10 } }
    const kept = new Map(plan([...weekly, ...daily, ...manual], { keepLast: 2, kinds }).keep.map(({ id, reasons }) => [id, reasons]))
    const of = (points: PointSummary[]) => ids(points).filter((id) => kept.has(id))
    expect(of(weekly)).toEqual(ids(weekly.slice(0, 14)))
    expect(of(daily)).toEqual(ids(daily.slice(0, 10)))
    expect(of(manual)).toEqual(ids(manual.slice(0, 2)))
    expect(kept.get(weekly[12]?.id ?? '')).toEqual(['full: within 90d'])
    expect(kept.get(weekly[13]?.id ?? '')).toEqual(['full: yearly 2'])
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
