/** Which points of a source get a copy in another repository now. Pure. */
import type { PointKind } from './ids.ts'
import { newestFirst, objectionTo } from './points.ts'
import type { PointSummary } from './records.ts'
import { planRetention, type RetentionRules } from './retention.ts'
import { archiveOf } from './transitions.ts'

export interface CopyWish {
  kinds?: readonly PointKind[] | undefined
  /** Only so many of the newest. */
  newest?: number | undefined
  /** Points in an archive that can be read all the same, because somebody has asked for them. */
  thawed?: ReadonlySet<string> | undefined
  /** How long points stay there: what would go again at once is not brought. */
  rules: RetentionRules
  /** Points that this run brings at most. */
  most: number
}

export interface CopyChoice {
  /** In the order in which they are brought: the newest first, and before each what it needs. */
  points: { id: string; again?: true }[]
  /** What the rules there would keep and something speaks against, the newest first. */
  passedOver: { id: string; why: string }[]
  /** So many more of these. */
  unnamed: number
  /** So many more wait for the next run. */
  left: number
}

/** Of what is passed over: a run's history and its record have an end. */
const MOST_NAMED = 50

/** `here` are the points of the source, `there` those of the other repository that are of it. */
export function chooseCopies(here: readonly PointSummary[], there: readonly PointSummary[], wish: CopyWish, now: Date): CopyChoice {
  const wanted = here
    .filter(({ kind }) => (wish.kinds ? wish.kinds.includes(kind) : kind !== 'pre_restore'))
    .sort(newestFirst)
    .map((point) => ({ point, why: objectionTo(point, here) ?? archived(point, here, wish.thawed) }))
  const sound = wanted.flatMap(({ point, why }) => (why === undefined ? [point] : []))
  const missing = staying(sound.slice(0, wish.newest), there, wish.rules, now)
  const damaged = sound.filter(({ id }) => there.some((copy) => copy.id === id && isDamaged(copy)))
  const points = [...damaged.map(({ id }) => ({ id, again: true as const })), ...withParents(missing, here, there).map((id) => ({ id }))]
  const kept = staying(reached(wanted, sound, wish.newest), there, wish.rules, now)
  const passedOver = wanted.flatMap(({ point, why }) => (why !== undefined && kept.includes(point) ? [{ id: point.id, why }] : []))
  return {
    points: points.slice(0, wish.most),
    passedOver: passedOver.slice(0, MOST_NAMED),
    unnamed: Math.max(0, passedOver.length - MOST_NAMED),
    left: Math.max(0, points.length - wish.most),
  }
}

/** Of points that are older than the last of the newest nothing would be brought, whatever speaks against them. */
function reached(wanted: { point: PointSummary }[], sound: PointSummary[], newest: number | undefined): PointSummary[] {
  const last = newest === undefined ? undefined : sound[newest - 1]
  const points = wanted.map(({ point }) => point)
  return last ? points.slice(0, points.indexOf(last) + 1) : points
}

/** What a repository needs that has none of it yet is brought before it grows old: here it would have to be thawed. */
function archived(point: PointSummary, here: readonly PointSummary[], thawed: ReadonlySet<string> | undefined): string | undefined {
  const archive = thawed?.has(point.id) ? undefined : archiveOf(point, here)
  return archive && `it is in ${archive}: holdfast copy --thaw asks for it, and waits until it can be read`
}

const has = (points: readonly PointSummary[], id: string) => points.some((point) => point.id === id)

/** A proof of these depths looked at the objects where they are: that it failed is repaired by bringing them again. */
const isDamaged = ({ proof }: PointSummary) => proof?.ok === false && (proof.depth === 'list' || proof.depth === 'read')

function staying(wanted: PointSummary[], there: readonly PointSummary[], rules: RetentionRules, now: Date): PointSummary[] {
  const missing = wanted.filter(({ id }) => !has(there, id))
  const { keep } = planRetention([...there, ...missing], rules, now, { healthy: true })
  return missing.filter(({ id }) => keep.some((kept) => kept.id === id))
}

function withParents(points: PointSummary[], here: readonly PointSummary[], there: readonly PointSummary[]): string[] {
  const ordered: string[] = []
  const add = (id: string) => {
    if (ordered.includes(id) || has(there, id)) return
    for (const parent of here.find((point) => point.id === id)?.parents ?? []) add(parent)
    ordered.push(id)
  }
  for (const { id } of points) add(id)
  return ordered
}
