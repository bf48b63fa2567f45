/** What of a log may go: always the old end, never what is young, never what a point is replayed with. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type LogSegment, planLogExpiry } from '../../../src/core/log-expiry.ts'

const at = (day: number) => new Date(Date.UTC(2026, 0, day))
const segment = (first: number, last: number, day: number): LogSegment => ({ name: `${first}-${last}`, first, last, archivedAt: at(day) })
const log = [segment(1, 10, 1), segment(11, 20, 2), segment(21, 30, 3), segment(31, 40, 4)]

it('goes from the old end to the entry of the point, and no segment that has a later one', () => {
  expect(planLogExpiry(log, 20, at(9))).toEqual({ go: ['1-10', '11-20'], needed: 2 })
  expect(planLogExpiry(log, 19, at(9))).toEqual({ go: ['1-10'], needed: 3 })
  expect(planLogExpiry(log, 0, at(9))).toEqual({ go: [], needed: 4 })
})

it('stays as long as it is younger, whatever needs it or not', () => {
  expect(planLogExpiry(log, Number.POSITIVE_INFINITY, at(3))).toEqual({ go: ['1-10', '11-20'], needed: 0 })
  expect(planLogExpiry(log, Number.POSITIVE_INFINITY, at(9)).go).toHaveLength(4)
})

it('stays behind one that was archived late, so that no gap is made', () => {
  const late = [segment(1, 10, 1), segment(11, 20, 8), segment(21, 30, 3)]
  expect(planLogExpiry(late, 40, at(5))).toEqual({ go: ['1-10'], needed: 0 })
})

it('whatever the log, the point and the rule: what is left has no gap that was not there, and all that is young or needed', () => {
  const segments = fc
    .array(fc.record({ first: fc.nat(50), length: fc.nat(9), day: fc.integer({ min: 1, max: 20 }) }))
    .map((all) =>
      all.map(({ first, length, day }) => segment(first, first + length, day)).sort((a, b) => a.first - b.first || a.last - b.last),
    )
  fc.assert(
    fc.property(segments, fc.nat(60), fc.integer({ min: 1, max: 20 }), (all, through, day) => {
      const { go } = planLogExpiry(all, through, at(day))
      expect(go).toEqual(all.slice(0, go.length).map(({ name }) => name))
      for (const gone of all.slice(0, go.length)) {
        expect(gone.last).toBeLessThanOrEqual(through)
        expect(gone.archivedAt < at(day)).toBe(true)
      }
      const [next] = all.slice(go.length)
      if (next) expect(next.last > through || next.archivedAt >= at(day)).toBe(true)
    }),
  )
})
