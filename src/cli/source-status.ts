/** How a source stands: its newest points, whether they are good and fresh, what can be recovered. Pure. */
import { seconds, sizeText } from '../core/duration.ts'
import type { Windows } from '../core/planning.ts'
import { newestFirst } from '../core/points.ts'
import { standingFailures } from '../core/proofs.ts'
import type { PointSummary } from '../core/records.ts'
import type { RepositoryFill } from '../core/repository-fill.ts'
import { columns } from './output.ts'

export interface SourceStatus {
  source: string
  points: number
  newest?: string
  ageHours?: number
  newestGood?: string
  /** Points whose proof failed, and no later one has cleared it. */
  failed?: string[]
  /** Absent where the source states no freshness. */
  fresh?: boolean
  window?: Windows
  windowProblem?: string
}

export function statusOf(source: string, all: readonly PointSummary[], freshness?: string, now = Date.now()): SourceStatus {
  const points = all.filter((point) => point.source === source).sort(newestFirst)
  const newest = points[0]
  const good = points.find((point) => point.good)
  const failed = standingFailures(points).map(({ id }) => id)
  const age = newest && (now - Date.parse(newest.createdAt)) / 1000
  return {
    source,
    points: points.length,
    ...(newest && { newest: newest.id }),
    ...(age !== undefined && { ageHours: age / 3600 }),
    ...(good && { newestGood: good.id }),
    ...(failed.length > 0 && { failed }),
    ...(freshness !== undefined && { fresh: age !== undefined && age <= seconds(freshness) }),
  }
}

export function statusLines(statuses: readonly SourceStatus[]): string[] {
  const rows = statuses.map((s) => [
    s.source,
    String(s.points),
    s.newest ?? '-',
    s.ageHours === undefined ? '-' : `${s.ageHours.toFixed(1)} h`,
    s.newestGood ?? 'NONE',
    s.fresh === undefined ? '-' : s.fresh ? 'yes' : 'STALE',
  ])
  return [
    ...columns([['source', 'points', 'newest', 'age', 'newest good', 'fresh'], ...rows]),
    ...statuses.flatMap(({ source, failed = [] }) =>
      failed.map((id) => `PROOF FAILED ${source} ${id}: holdfast show ${source} ${id} says of what`),
    ),
  ]
}

/** The points of a repository beside its limit, loudly where they are beyond it. */
export function fillLine({ repository, usedBytes, warnBytes, capBytes, state }: RepositoryFill): string {
  const loud = { ok: '', warn: 'FILLING ', full: 'FULL ' }[state]
  const limits = [
    warnBytes !== undefined && `warned of beyond ${sizeText(warnBytes)}`,
    capBytes !== undefined && `no backup is begun beyond ${sizeText(capBytes)}`,
  ]
  return `${loud}repository ${repository}: ${[`${sizeText(usedBytes)} of points`, ...limits.filter((text) => text !== false)].join(', ')}`
}

/** Each stretch that can be recovered to any moment, and each hole in it. */
export function windowLines({ source, window, windowProblem }: SourceStatus): string[] {
  if (windowProblem) return [`window of ${source}: not known: ${windowProblem}`]
  if (!window) return []
  const { windows, gaps } = window
  if (windows.length === 0) return [`window of ${source}: NONE: no backup with its WAL is there`]
  return [
    ...windows
      .filter(({ alone }) => alone)
      .map(({ from }) => `point of ${source} by itself: ${from.label}, ${from.time} (${from.lsn}): the WAL after it has expired`),
    ...windows
      .filter(({ alone }) => !alone)
      .map(
        ({ timeline, from, to }) =>
          `window of ${source}: ${from.time} (${from.lsn}) to ${to.time} (${to.lsn}), timeline ${timeline}, from ${from.label}`,
      ),
    ...gaps
      .filter(({ expired }) => !expired)
      .map(
        ({ timeline, missing, afterWal, beforeWal }) =>
          `  GAP on timeline ${timeline}: ${missing} WAL segments between ${afterWal} and ${beforeWal} are missing: nothing in between can be recovered`,
      ),
  ]
}
