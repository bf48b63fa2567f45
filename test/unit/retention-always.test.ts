import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PointSummary } from '../../src/core/records.ts'
import { planRetention, type RetentionRules } from '../../src/core/retention.ts'
import { anyRules, histories, SOURCES, withMore } from '../support/histories.ts'
import { NOW } from '../support/retention.ts'

const always = (promise: (points: PointSummary[], rules: RetentionRules) => void) =>
  fc.assert(fc.property(histories, anyRules, promise), { numRuns: 400 })
const ids = (points: readonly { id: string }[]) => points.map(({ id }) => id)
const planned = (points: PointSummary[], rules: RetentionRules, healthy = true) => planRetention(points, rules, NOW, { healthy })

/** What is kept of other kinds than full, and why, beside what a kept point needs: that a full one stays may need more. */
const byThemselves = (points: PointSummary[], rules: RetentionRules) => {
  const full = new Set(ids(points.filter(({ kind }) => kind === 'full')))
  return planned(points, rules)
    .keep.map((one) => ({ ...one, reasons: one.reasons.filter((reason) => !reason.startsWith('needed by ')) }))
    .filter(({ id, reasons }) => !full.has(id) && reasons.length > 0)
}

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
      for (const source of SOURCES) {
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

  it('keeps as many good points as keepLast says, of each kind with rules of its own and of all the others together', () =>
    always((points, rules) => {
      const gone = new Set(ids(planned(points, rules).delete))
      const own = Object.entries(rules.kinds ?? {})
      const groups = [
        ...own.map(([name, { keepLast = 0 }]) => ({ keepLast, has: (kind: string) => kind === name })),
        { keepLast: rules.keepLast ?? 0, has: (kind: string) => kind !== 'pre_restore' && !own.some(([name]) => name === kind) },
      ]
      for (const source of SOURCES)
        for (const { keepLast, has } of groups) {
          const good = points.filter((one) => one.source === source && one.good && has(one.kind))
          expect(good.filter(({ id }) => !gone.has(id)).length).toBeGreaterThanOrEqual(Math.min(keepLast, good.length))
        }
    }))

  it('keeps what it kept, where rules are added or ask for more', () =>
    fc.assert(
      fc.property(histories, anyRules, anyRules, (points, rules, more) => {
        const kept = ids(planned(points, rules).keep)
        expect(ids(planned(points, withMore(rules, more)).keep)).toEqual(expect.arrayContaining(kept))
      }),
      { numRuns: 400 },
    ))

  it('asks the rules of one kind nothing of the points of another', () =>
    fc.assert(
      fc.property(histories, anyRules, anyRules, (points, rules, other) => {
        const differing = { ...rules, kinds: { ...rules.kinds, full: other.kinds?.full ?? other } }
        const asked = { ...rules, kinds: { ...rules.kinds, full: {} } }
        expect(byThemselves(points, differing)).toEqual(byThemselves(points, asked))
      }),
      { numRuns: 400 },
    ))

  it('keeps for any moment of the window a point to begin with', () =>
    always((points, rules) => {
      const { pitrWindow } = rules
      if (pitrWindow === undefined) return
      const begins = NOW.getTime() - Number.parseInt(pitrWindow, 10) * 86_400_000
      const kept = new Set(ids(planned(points, rules).keep))
      for (const source of SOURCES) {
        const own = points.filter((one) => one.source === source && one.kind !== 'pre_restore')
        const older = own.filter(({ completedAt }) => Date.parse(completedAt) <= begins)
        const sound = older.filter(({ proof }) => proof?.ok !== false)
        const bases = sound.length > 0 ? sound : older
        const newest = Math.max(...bases.map(({ completedAt }) => Date.parse(completedAt)))
        if (bases.length > 0) expect(bases.some(({ id, completedAt }) => Date.parse(completedAt) === newest && kept.has(id))).toBe(true)
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
