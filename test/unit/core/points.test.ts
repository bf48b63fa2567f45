import { expect, it } from 'vitest'
import { newestOf, soundestOf } from '../../../src/core/points.ts'
import type { PointSummary } from '../../../src/core/records.ts'

const point = (day: number, kind: PointSummary['kind']) =>
  ({ id: `${day} ${kind}`, kind, createdAt: `2026-01-0${day}T00:00:00Z` }) as PointSummary

it('where no point is named the newest is meant, and not the copy of what a restore replaced, unless there is nothing else', () => {
  expect(newestOf([point(1, 'manual'), point(3, 'pre_restore'), point(2, 'scheduled')])?.id).toBe('2 scheduled')
  expect(newestOf([point(1, 'pre_restore'), point(2, 'pre_restore')])?.id).toBe('2 pre_restore')
  expect(newestOf([])).toBeUndefined()
})

it('a restore takes no point whose proof failed where there is another, and says what it passed over', () => {
  const proved = (day: number, ok: boolean) =>
    ({ ...point(day, 'manual'), proof: { depth: 'full', at: `2026-01-0${day}T01:00:00Z`, ok } }) as PointSummary
  const over = expect.stringMatching(/^3 manual .*passed over.*FAILED/)
  expect(soundestOf([proved(1, true), point(2, 'scheduled'), proved(3, false)])).toEqual({ id: '2 scheduled', warnings: [over] })
  expect(soundestOf([proved(1, false), proved(2, true)])).toEqual({ id: '2 manual', warnings: [] })
  expect(soundestOf([proved(1, false)])).toEqual({ id: '1 manual', warnings: [expect.stringContaining('FAILED')] })
  expect(soundestOf([])).toBeUndefined()
})
