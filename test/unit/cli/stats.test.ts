import { describe, expect, it } from 'vitest'
import { statsLines, statsOf } from '../../../src/cli/source-stats.ts'
import type { PointSummary } from '../../../src/core/records.ts'

const NOW = Date.parse('2025-10-18T22:00:00Z')
const point = (createdAt: string, kind: string, good = true, storedBytes = 100): PointSummary =>
  ({ createdAt, kind, good, sizeBytes: 1000, storedBytes }) as PointSummary
const POINTS = [
  point('2025-10-11T02:00:00.000Z', 'scheduled'),
  point('2025-10-18T21:45:30Z', 'manual'),
  point('2025-10-17T02:00:00Z', 'scheduled', false),
]

describe('statistics of a source', () => {
  it('count points by kind, with their sizes, the oldest, the newest and how many are proved', () => {
    expect(statsOf(POINTS, {}, NOW)).toEqual({
      total_backups: 3,
      total_size_bytes: 3000,
      total_stored_bytes: 300,
      by_type: { scheduled: 2, manual: 1 },
      oldest_backup: '2025-10-11T02:00:00Z',
      newest_backup: '2025-10-18T21:45:30Z',
      verified_count: 2,
      unverified_count: 1,
      alerts: [],
    })
  })

  it.each([
    [{ freshness: '48h' }, [], ['No backup in 48 hours!']],
    [{ freshness: '48h' }, [point('2025-10-16T21:00:00Z', 'manual')], ['No backup in 48 hours!']],
    [{ freshness: '48h' }, [point('2025-10-16T23:00:00Z', 'manual')], []],
    [{ autoVerify: true }, POINTS, ['1 unverified backups']],
    [{ autoVerify: false }, POINTS, []],
    [{ sizeLimit: '100GB' }, [point('2025-10-18T21:00:00Z', 'manual', true, 101 * 1024 ** 3)], ['Backup size 101.00GB exceeds threshold']],
    [{ sizeLimit: '100GB' }, [point('2025-10-18T21:00:00Z', 'manual', true, 100 * 1024 ** 3)], []],
  ])('with %j alert where a threshold is passed', (thresholds, points, alerts) => {
    expect(statsOf(points, thresholds, NOW).alerts).toEqual(alerts)
  })

  const sized = (id: string, kind: string, sizeBytes: number) =>
    ({ ...point(`2025-10-1${id}T02:00:00Z`, kind), id, sizeBytes }) as PointSummary
  it.each([
    ['grown by more than half', [sized('1', 'full', 2e6), sized('2', 'full', 3.1e6)], ['2 has 3.1 MB, 1 had 2.0 MB']],
    ['shrunk by more than half', [sized('1', 'full', 2e6), sized('2', 'full', 0.9e6)], ['2 has 900.0 kB, 1 had 2.0 MB']],
    ['grown by just half', [sized('1', 'full', 2e6), sized('2', 'full', 3e6)], []],
    ['of another kind', [sized('1', 'full', 2e6), sized('2', 'scheduled', 9e6)], []],
    ['an increment', [sized('1', 'incremental', 2e6), sized('2', 'incremental', 9e6)], []],
    ['so small that shares say nothing', [sized('1', 'full', 1e5), sized('2', 'full', 9e5)], []],
    ['as the one before by now', [sized('1', 'full', 1e6), sized('2', 'full', 3e6), sized('3', 'full', 3e6)], []],
    ['the same point in two repositories', [sized('1', 'full', 2e6), sized('2', 'full', 2e6), sized('2', 'full', 2e6)], []],
  ])('alert of a newest point that is %s as they should', (_, points, said) => {
    expect(statsOf(points).alerts).toEqual(said.map((sizes) => `Backup size changed more than 50%: ${sizes}`))
  })

  it('are shown with their alerts, and of nothing too', () => {
    const lines = statsLines('store', statsOf(POINTS, { autoVerify: true }, NOW))
    expect(lines).toContain('by kind: 2 scheduled, 1 manual')
    expect(lines).toContain('ALERT 1 unverified backups')
    expect(statsLines('store', statsOf([]))).toHaveLength(2)
  })
})
