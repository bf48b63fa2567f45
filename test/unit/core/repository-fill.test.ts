/** What a repository may hold: warned of first, then refused, and never deleted for. */
import { describe, expect, it } from 'vitest'
import { POINT_KINDS } from '../../../src/core/ids.ts'
import type { PointSummary } from '../../../src/core/records.ts'
import { admit, fillOf, type Wanted } from '../../../src/core/repository-fill.ts'
import { failed, point } from '../../support/retention.ts'

const GB = 1024 ** 3
const sized = (daysAgo: number, gigabytes: number, more: Partial<PointSummary> = {}) =>
  point(daysAgo, { storedBytes: gigabytes * GB, ...more })
const LIMIT = { warn: '80GB', cap: '100GB' }
const admitted = (points: PointSummary[], more: Partial<Wanted> = {}, limit: { warn?: string; cap?: string } = LIMIT) =>
  admit(fillOf('hot', limit, points), points, { source: 'orders', kind: 'scheduled', estimateBytes: 1000 * GB, ...more })

describe('a repository', () => {
  it('is told by the bytes of its points, of whichever source', () => {
    const points = [sized(1, 50), sized(2, 29, { source: 'users' })]
    expect(fillOf('hot', LIMIT, points)).toEqual({
      repository: 'hot',
      usedBytes: 79 * GB,
      warnBytes: 80 * GB,
      capBytes: 100 * GB,
      state: 'ok',
    })
    expect(fillOf('hot', LIMIT, [...points, sized(3, 2)]).state).toBe('warn')
    expect(fillOf('hot', LIMIT, [...points, sized(3, 21)]).state).toBe('full')
    expect(fillOf('hot', {}, points)).toEqual({ repository: 'hot', usedBytes: 79 * GB, state: 'ok' })
  })
})

describe('a backup', () => {
  it('is begun without a word where it stays below the warning', () => {
    expect(admitted([sized(1, 5), sized(2, 70)])).toBeUndefined()
    expect(admitted([], {}, {})).toBeUndefined()
  })

  it('is warned of where it goes beyond, with what it will then be and where the end is', () => {
    expect(admitted([sized(1, 10), sized(2, 64.5)])).toBe(
      'the repository hot holds 74.5GB of recovery points, about 84.5GB with this one: more than 80GB; beyond 100GB no backup is begun',
    )
    expect(admitted([sized(1, 90)], {}, { warn: '80GB' })).toMatch(/more than 80GB$/)
  })

  it('is refused where it would pass the cap, and is told what frees room', () => {
    const points = [sized(1, 12), sized(2, 80)]
    expect(() => admitted(points)).toThrow(
      expect.objectContaining({
        code: 'REPOSITORY_FULL',
        object: 'hot',
        message: 'the repository hot holds 92GB of recovery points, and this one would take it to about 104GB: its cap is 100GB',
        next: expect.stringMatching(/prune --dry-run .* repositories\.hot\.limit\.cap where the store has room$/),
      }),
    )
  })

  it('is as large as the last of its kind, else as the largest of its source, else as the source itself', () => {
    const points = [
      sized(1, 8, { kind: 'full' }),
      sized(2, 1, { kind: 'incremental' }),
      sized(3, 30, { kind: 'incremental' }),
      sized(1, 53, { source: 'users' }),
    ]
    expect(admitted(points, { kind: 'incremental' })).toMatch(/about 93GB/)
    expect(() => admitted(points, { kind: 'manual' })).toThrow(/about 122GB/)
    expect(() => admitted(points, { source: 'new', estimateBytes: 9 * GB })).toThrow(/about 101GB/)
    expect(admitted(points, { source: 'new', estimateBytes: 7 * GB })).toMatch(/about 99GB/)
  })

  it.each(POINT_KINDS)('of kind %s is refused only where it is not part of an incident', (kind) => {
    const refused = () => admitted([sized(1, 120)], { kind })
    if (kind === 'pre_restore' || kind === 'post_failover') expect(refused()).toMatch(/more than 80GB/)
    else expect(refused).toThrow(/its cap is 100GB/)
  })

  it('is told whose failed proof keeps retention from freeing anything', () => {
    const next = (points: PointSummary[]) => {
      try {
        return admitted(points)
      } catch (error) {
        return (error as { next: string }).next
      }
    }
    expect(next([sized(1, 60), sized(2, 60, { source: 'users', ...failed })])).toMatch(
      /of users nothing is deleted while a failed proof stands/,
    )
    expect(next([sized(1, 60), sized(2, 60)])).not.toMatch(/proof/)
  })
})
