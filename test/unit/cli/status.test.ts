import { describe, expect, it } from 'vitest'
import { statusLines, statusOf, windowLines } from '../../../src/cli/source-status.ts'
import type { PointSummary } from '../../../src/core/records.ts'

const NOW = Date.parse('2026-01-15T12:00:00Z')
const point = (hoursAgo: number, good = false, source = 'orders'): PointSummary => {
  const createdAt = new Date(NOW - hoursAgo * 3_600_000).toISOString()
  return { source, id: `point-${hoursAgo}`, createdAt, good } as PointSummary
}

describe('how a source stands', () => {
  it('is its newest point, its newest good one and whether the newest is fresh', () => {
    const status = statusOf('orders', [point(30, true), point(2), point(1, true, 'others')], '25h', NOW)
    expect(status).toEqual({ source: 'orders', points: 2, newest: 'point-2', ageHours: 2, newestGood: 'point-30', fresh: true })
  })

  it('is stale beyond its freshness, and where there is no point at all', () => {
    expect(statusOf('orders', [point(26)], '25h', NOW).fresh).toBe(false)
    expect(statusOf('orders', [], '25h', NOW).fresh).toBe(false)
    expect(statusOf('orders', [], undefined, NOW)).toEqual({ source: 'orders', points: 0 })
  })

  it('is not well while a failed proof stands, however good an older point is', () => {
    const proved = (hoursAgo: number, ok: boolean): PointSummary => {
      const at = new Date(NOW - (hoursAgo - 1) * 3_600_000).toISOString()
      return { ...point(hoursAgo, ok), proof: { depth: 'full', at, ok } }
    }
    const status = statusOf('orders', [proved(30, true), proved(4, false)], '25h', NOW)
    expect(status).toMatchObject({ newestGood: 'point-30', fresh: true, failed: ['point-4'] })
    expect(statusLines([status]).at(-1)).toMatch(/^PROOF FAILED orders point-4: /)
    expect(statusOf('orders', [proved(30, true), proved(4, false), proved(2, true)], '25h', NOW).failed).toBeUndefined()
  })

  it('says loudly what is missing', () => {
    expect(statusLines([statusOf('orders', [point(26)], '25h', NOW)])[1]).toMatch(/^orders\s+1\s+point-26\s+26\.0 h\s+NONE\s+STALE$/)
  })
})

describe('the recoverable window', () => {
  const stretch = {
    timeline: 2,
    from: { lsn: '0/2000', time: '2026-01-14T02:00:00Z', label: '20260114-020000F' },
    to: { lsn: '0/9000', time: '2026-01-15T11:59:00Z', wal: '0' },
  }

  it('is told from moment to moment, with its gaps', () => {
    const gaps = [{ timeline: 2, missing: 3, afterWal: '000000020000000000000004', beforeWal: '000000020000000000000008' }]
    expect(windowLines({ source: 'orders', points: 1, window: { windows: [stretch], gaps } })).toEqual([
      'window of orders: 2026-01-14T02:00:00Z (0/2000) to 2026-01-15T11:59:00Z (0/9000), timeline 2, from 20260114-020000F',
      '  GAP on timeline 2: 3 WAL segments between 000000020000000000000004 and 000000020000000000000008 are missing: nothing in between can be recovered',
    ])
  })

  it('names points that are left by themselves, and takes what has expired for no gap', () => {
    const from = { lsn: '0/1000', time: '2025-01-14T02:00:00Z', label: '20250114-020000F' }
    const old = { timeline: 2, from, to: stretch.to, alone: true as const }
    const gaps = [{ timeline: 2, missing: 900, afterWal: 'a', beforeWal: 'b', expired: true as const }]
    expect(windowLines({ source: 'orders', points: 2, window: { windows: [old, stretch], gaps } })).toEqual([
      'point of orders by itself: 20250114-020000F, 2025-01-14T02:00:00Z (0/1000): the WAL after it has expired',
      expect.stringMatching(/^window of orders: 2026-01-14T02:00:00Z/),
    ])
  })

  it('is NONE where no backup has its WAL, and not known where the engine does not answer', () => {
    expect(windowLines({ source: 'orders', points: 0, window: { windows: [], gaps: [] } })).toEqual([
      'window of orders: NONE: no backup with its WAL is there',
    ])
    expect(windowLines({ source: 'orders', points: 0, windowProblem: 'TOOL_MISSING: no pgbackrest' })[0]).toContain(
      'not known: TOOL_MISSING',
    )
    expect(windowLines({ source: 'orders', points: 0 })).toEqual([])
  })
})
