/** How many recovery points a source has, how large, how old, how many of them proved; and what of that is alarming. Pure. */
import { bytesOf, seconds } from '../core/duration.ts'
import type { PointKind } from '../core/ids.ts'
import { newestFirst } from '../core/points.ts'
import type { PointSummary } from '../core/records.ts'
import { bytes, columns } from './output.ts'

/** Its fields have the names under which backup systems that people know publish them. */
export interface SourceStats {
  total_backups: number
  /** Of the data, as often as it was captured. */
  total_size_bytes: number
  /** In the repository, compressed, and what incrementals share only once. */
  total_stored_bytes: number
  by_type: Record<string, number>
  oldest_backup: string | null
  newest_backup: string | null
  verified_count: number
  unverified_count: number
  alerts: string[]
}

export interface Thresholds {
  freshness?: string | undefined
  sizeLimit?: string | undefined
  autoVerify?: boolean | undefined
}

export function statsOf(points: readonly PointSummary[], thresholds: Thresholds = {}, now = Date.now()): SourceStats {
  const times = points.map(({ createdAt }) => new Date(createdAt).toISOString().replace('.000Z', 'Z')).sort()
  const by_type: Record<string, number> = {}
  for (const { kind } of points) by_type[kind] = (by_type[kind] ?? 0) + 1
  const verified_count = points.filter(({ good }) => good).length
  const stats = {
    total_backups: points.length,
    total_size_bytes: points.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    total_stored_bytes: points.reduce((sum, { storedBytes }) => sum + storedBytes, 0),
    by_type,
    oldest_backup: times[0] ?? null,
    newest_backup: times.at(-1) ?? null,
    verified_count,
    unverified_count: points.length - verified_count,
  }
  return { ...stats, alerts: [...alertsOf(stats, thresholds, now), ...sizeAlerts(points)] }
}

const CHANGED = 0.5
/** Below this, shares say nothing. */
const SMALL_BYTES = 1_000_000
/** Increments are as large as what was written; the others have no rhythm. */
const UNEVEN: readonly PointKind[] = ['incremental', 'differential', 'pre_restore', 'adopted']

/** The newest point of each kind against the one before it. */
function sizeAlerts(points: readonly PointSummary[]): string[] {
  const kinds = new Set(points.map(({ kind }) => kind).filter((kind) => !UNEVEN.includes(kind)))
  return [...kinds].flatMap((kind) => {
    const [newest, ...older] = points.filter((point) => point.kind === kind).sort(newestFirst)
    const before = older.find(({ id }) => id !== newest?.id)
    if (!newest || !before || before.sizeBytes < SMALL_BYTES) return []
    if (Math.abs(newest.sizeBytes - before.sizeBytes) <= before.sizeBytes * CHANGED) return []
    return [
      `Backup size changed more than ${CHANGED * 100}%: ${newest.id} has ${bytes(newest.sizeBytes)}, ${before.id} had ${bytes(before.sizeBytes)}`,
    ]
  })
}

const GB = 1024 ** 3

function alertsOf(stats: Omit<SourceStats, 'alerts'>, { freshness, sizeLimit, autoVerify }: Thresholds, now: number): string[] {
  const { newest_backup: newest, unverified_count: unverified, total_stored_bytes: stored } = stats
  const alerts: string[] = []
  if (freshness !== undefined && (newest === null || (now - Date.parse(newest)) / 1000 > seconds(freshness)))
    alerts.push(`No backup in ${seconds(freshness) / 3600} hours!`)
  // Where nothing is proved by itself, an unproved point is no surprise.
  if (autoVerify && unverified > 0) alerts.push(`${unverified} unverified backups`)
  if (sizeLimit !== undefined && stored > bytesOf(sizeLimit)) alerts.push(`Backup size ${(stored / GB).toFixed(2)}GB exceeds threshold`)
  return alerts
}

export function statsLines(source: string, stats: SourceStats): string[] {
  const kinds = Object.entries(stats.by_type).map(([kind, count]) => `${count} ${kind}`)
  return [
    ...columns([
      ['source', 'points', 'plain', 'stored', 'oldest', 'newest', 'proved', 'not proved'],
      [
        source,
        String(stats.total_backups),
        bytes(stats.total_size_bytes),
        bytes(stats.total_stored_bytes),
        stats.oldest_backup ?? '-',
        stats.newest_backup ?? '-',
        String(stats.verified_count),
        String(stats.unverified_count),
      ],
    ]),
    ...(kinds.length > 0 ? [`by kind: ${kinds.join(', ')}`] : []),
    ...stats.alerts.map((alert) => `ALERT ${alert}`),
  ]
}
