/** Which recovery points may go. Pure: the same answer for a dry run and for the run that deletes. */
import { seconds } from './duration.ts'
import type { PointKind } from './ids.ts'
import { newestFirst } from './points.ts'
import type { PointSummary } from './records.ts'

/** How many points of each rule, and how young. A rule that is absent asks for nothing. */
export interface KeepRules {
  keepLast?: number | undefined
  /** Everything younger than this, like `30d`. */
  keepWithin?: string | undefined
  daily?: number | undefined
  weekly?: number | undefined
  monthly?: number | undefined
  yearly?: number | undefined
  /** Nobody asked for this `keepLast`. */
  byDefault?: boolean | undefined
}

export interface RetentionRules extends KeepRules {
  /** Points of these kinds are counted by themselves, under these rules alone. */
  kinds?: Partial<Record<PointKind, KeepRules>> | undefined
  /** Every moment of this span before now can be recovered to, like `7d`: that needs the newest point that is older. */
  pitrWindow?: string | undefined
}

export interface RetentionPlan {
  keep: { source: string; id: string; reasons: string[] }[]
  /** Newest first: what another point needs goes after it, also when the deleting is cut short. */
  delete: { source: string; id: string; reason: string }[]
}

/** How long the copy stays that a restore takes of what it overwrites. */
export const SAFETY_COPY_DAYS = 7

interface Done {
  delete: readonly unknown[]
  locked: readonly unknown[]
  needed?: readonly unknown[]
  failed?: readonly unknown[]
  archive?: { unhealthy?: true }
  logs?: readonly { unhealthy?: true; locked?: string }[]
  moved?: { unlike?: unknown }
}

/** Something should have gone and could not, or nothing may go; or an object is not what it was stored as. */
export const fellShort = ({ failed, needed, locked, archive, logs = [], moved, delete: listed }: Done): boolean =>
  failed !== undefined ||
  archive?.unhealthy === true ||
  logs.some((log) => log.unhealthy === true || log.locked !== undefined) ||
  needed !== undefined ||
  moved?.unlike !== undefined ||
  (locked.length > 0 && locked.length === listed.length)

type Kept = Map<PointSummary, string[]>
interface Rule {
  name: string
  count: number
  bucketOf(point: PointSummary): string
}

/**
 * Keeps what a rule asks for, the last good point of each source, what is held, and what any of these need. A point
 * whose restore was proved is counted among the proved only: unproved ones never push it out. While a source is not
 * `healthy`, nothing of it goes.
 */
export function planRetention(
  points: readonly PointSummary[],
  rules: RetentionRules,
  now: Date,
  { healthy }: { healthy: boolean },
): RetentionPlan {
  const plan: RetentionPlan = { keep: [], delete: [] }
  for (const source of [...new Set(points.map((point) => point.source))].sort()) {
    const own = points.filter((point) => point.source === source).sort(newestFirst)
    const kept = healthy ? keptOf(own, rules, now) : new Map(own.map((point) => [point, ['the source is unhealthy: nothing is deleted']]))
    for (const point of own) {
      const reasons = kept.get(point)
      if (reasons) plan.keep.push({ source, id: point.id, reasons })
      else plan.delete.push({ source, id: point.id, reason: reasonToDelete(point) })
    }
  }
  return plan
}

function keptOf(points: PointSummary[], rules: RetentionRules, now: Date): Kept {
  const kept: Kept = new Map()
  const keep = (point: PointSummary | undefined, reason: string) => {
    if (point) kept.set(point, [...(kept.get(point) ?? []), reason])
  }
  const regular = points.filter((point) => point.kind !== 'pre_restore')
  keep(regular[0], 'newest')
  keep(regular.find((point) => point.good) ?? points.find((point) => point.good), 'last good')
  for (const point of points) if (point.held) keep(point, 'held')
  if (rules.pitrWindow) keep(baseOf(regular, rules.pitrWindow, now), `any moment of the last ${rules.pitrWindow} needs it`)
  for (const point of points)
    if (point.kind === 'pre_restore' && isFreshCopy(point, now)) keep(point, `safety copy of the last ${SAFETY_COPY_DAYS} days`)
  for (const { of, group, rules: own } of groupsOf(regular, rules)) {
    for (const [point, name] of keptBy(group, own, now)) if (!kept.get(point)?.includes(of + name)) keep(point, of + name)
  }
  keepWhatTheseNeed(points, kept, keep)
  return kept
}

/** What replay to the beginning of the window starts from; one whose proof failed only where there is no other. */
function baseOf(points: PointSummary[], window: string, now: Date): PointSummary | undefined {
  const older = points.filter((point) => ageSeconds({ createdAt: point.completedAt }, now) >= seconds(window))
  return older.find(({ proof }) => proof?.ok !== false) ?? older[0]
}

/** Points of a kind with rules of its own by themselves, and all the others together: so no rule of a kind decides over another. */
function groupsOf(
  points: PointSummary[],
  { kinds = {}, ...general }: RetentionRules,
): { of: string; group: PointSummary[]; rules: KeepRules }[] {
  const own = Object.entries(kinds).map(([kind, rules]) => ({
    of: `${kind}: `,
    group: points.filter((point) => point.kind === kind),
    rules,
  }))
  return [{ of: '', group: points.filter(({ kind }) => kinds[kind] === undefined), rules: general }, ...own]
}

function* keptBy(points: PointSummary[], rules: KeepRules, now: Date): Iterable<[PointSummary, string]> {
  const { keepWithin } = rules
  if (keepWithin !== undefined)
    for (const point of points) if (ageSeconds(point, now) <= seconds(keepWithin)) yield [point, `within ${keepWithin}`]
  for (const rule of countsOf(rules))
    for (const counted of countedOf(points)) for (const point of newestOfEach(counted, rule)) yield [point, rule.name]
}

function countsOf({ keepLast = 0, daily = 0, weekly = 0, monthly = 0, yearly = 0, byDefault }: KeepRules): Rule[] {
  return [
    { name: `last ${keepLast}${byDefault ? ' by default' : ''}`, count: keepLast, bucketOf: ({ id }) => id },
    { name: `daily ${daily}`, count: daily, bucketOf: ({ createdAt }) => day(createdAt) },
    { name: `weekly ${weekly}`, count: weekly, bucketOf: ({ createdAt }) => monday(createdAt) },
    { name: `monthly ${monthly}`, count: monthly, bucketOf: ({ createdAt }) => day(createdAt).slice(0, 7) },
    { name: `yearly ${yearly}`, count: yearly, bucketOf: ({ createdAt }) => day(createdAt).slice(0, 4) },
  ]
}

/**
 * The sets that each rule counts: the proved ones by themselves, and what has not failed, so that a month of backups
 * between two proofs does not go at the second. Where every proof failed, all: one of them is still the best there is.
 */
function countedOf(points: PointSummary[]): PointSummary[][] {
  const standing = points.filter(({ proof }) => proof?.ok !== false)
  return [points.filter(({ good }) => good), standing.length > 0 ? standing : points]
}

/** The newest point of each of the newest `count` buckets. */
function newestOfEach(points: PointSummary[], { count, bucketOf }: Rule): PointSummary[] {
  const newest = new Map<string, PointSummary>()
  for (const point of points) if (!newest.has(bucketOf(point))) newest.set(bucketOf(point), point)
  return [...newest.values()].slice(0, count)
}

function keepWhatTheseNeed(points: PointSummary[], kept: Kept, keep: (point: PointSummary | undefined, reason: string) => void): void {
  const byId = new Map(points.map((point) => [point.id, point]))
  const open = [...kept.keys()]
  for (let point = open.pop(); point; point = open.pop()) {
    for (const id of point.parents) {
      const parent = byId.get(id)
      if (!parent) continue
      if (!kept.has(parent)) open.push(parent)
      keep(parent, `needed by ${point.id}`)
    }
  }
}

function reasonToDelete(point: PointSummary): string {
  if (point.kind === 'pre_restore') return `safety copy older than ${SAFETY_COPY_DAYS} days`
  return point.proof?.ok === false ? 'its proof failed, and no rule keeps it' : 'no rule keeps it'
}

function isFreshCopy(point: PointSummary, now: Date): boolean {
  return ageSeconds(point, now) <= SAFETY_COPY_DAYS * 86_400
}

function ageSeconds({ createdAt }: Pick<PointSummary, 'createdAt'>, now: Date): number {
  return (now.getTime() - Date.parse(createdAt)) / 1000
}

function day(createdAt: string): string {
  return new Date(createdAt).toISOString().slice(0, 10)
}

function monday(createdAt: string): string {
  const at = new Date(createdAt)
  at.setUTCDate(at.getUTCDate() - ((at.getUTCDay() + 6) % 7))
  return day(at.toISOString())
}
