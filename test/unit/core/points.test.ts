import { expect, it } from 'vitest'
import { newestOf } from '../../../src/core/points.ts'
import type { PointSummary } from '../../../src/core/records.ts'

const point = (day: number, kind: PointSummary['kind']) =>
  ({ id: `${day} ${kind}`, kind, createdAt: `2026-01-0${day}T00:00:00Z` }) as PointSummary

it('where no point is named the newest is meant, and not the copy of what a restore replaced, unless there is nothing else', () => {
  expect(newestOf([point(1, 'manual'), point(3, 'pre_restore'), point(2, 'scheduled')])?.id).toBe('2 scheduled')
  expect(newestOf([point(1, 'pre_restore'), point(2, 'pre_restore')])?.id).toBe('2 pre_restore')
  expect(newestOf([])).toBeUndefined()
})
