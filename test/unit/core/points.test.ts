import { describe, expect, it } from 'vitest'
import { newestOf, soundestOf } from '../../../src/core/points.ts'
import type { PointSummary } from '../../../src/core/records.ts'

const point = (day: number, kind: PointSummary['kind']) =>
  ({ id: `${day} ${kind}`, kind, parents: [] as string[], createdAt: `2026-01-0${day}T00:00:00Z` }) as unknown as PointSummary

it('where no point is named the newest is meant, and not the copy of what a restore replaced, unless there is nothing else', () => {
  expect(newestOf([point(1, 'manual'), point(3, 'pre_restore'), point(2, 'scheduled')])?.id).toBe('2 scheduled')
  expect(newestOf([point(1, 'pre_restore'), point(2, 'pre_restore')])?.id).toBe('2 pre_restore')
  expect(newestOf([])).toBeUndefined()
})

describe('what a restore takes where no point is named', () => {
  const proved = (day: number, ok: boolean, more: Partial<PointSummary> = {}): PointSummary => ({
    ...point(day, 'manual'),
    proof: { depth: 'full', at: `2026-01-0${day}T01:00:00Z`, ok },
    good: ok,
    ...more,
  })
  const saying = (...words: string[]) => words.map((word) => expect.stringMatching(word))

  it('is none whose proof failed while there is another, and it says what it passed over', () => {
    const over = saying('^3 manual is newer and was passed over: .*FAILED')
    expect(soundestOf([proved(1, true), point(2, 'scheduled'), proved(3, false)])).toEqual({ id: '2 scheduled', warnings: over })
    expect(soundestOf([proved(1, false), proved(2, true)])).toEqual({ id: '2 manual', warnings: [] })
  })

  it('is the newest where all failed, and it says so', () => {
    expect(soundestOf([proved(1, false), proved(2, false)])).toEqual({ id: '2 manual', warnings: saying('^2 manual: .*FAILED') })
    expect(soundestOf([])).toBeUndefined()
  })

  it('is none that rests on one whose proof failed, unless a restore of it was proved', () => {
    const incremental = (day: number, more: Partial<PointSummary> = {}) => ({
      ...point(day, 'incremental'),
      parents: ['2 manual'],
      ...more,
    })
    const chain = [proved(1, true), proved(2, false)]
    expect(soundestOf([...chain, incremental(3)])).toMatchObject({ id: '1 manual', warnings: saying('rests on 2 manual', '^2 manual') })
    expect(soundestOf([...chain, incremental(3, proved(3, true))])?.warnings).toEqual([])
  })

  it('is no copy of what a restore replaced, unless there is nothing else, and then it says so', () => {
    expect(soundestOf([proved(1, false), point(2, 'pre_restore')])).toMatchObject({ id: '1 manual' })
    expect(soundestOf([point(2, 'pre_restore')])).toEqual({ id: '2 pre_restore', warnings: saying('copy of what a restore replaced') })
  })
})
