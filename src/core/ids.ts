/** Ids of recovery points: they sort by time, read well, and say what the point was for. */

export const POINT_KINDS = [
  'manual',
  'scheduled',
  'snapshot',
  'full',
  'incremental',
  'differential',
  'pre_migration',
  'pre_restore',
  'post_failover',
  'adopted',
] as const
export type PointKind = (typeof POINT_KINDS)[number]

/** The kind of the points that a schedule of this name makes; undefined where it makes none. */
export function kindOfSchedule(name: string): PointKind | undefined {
  // A logical dump has no kind of its own: it says that nobody asked for it by hand.
  return name === 'logical' ? 'scheduled' : POINT_KINDS.find((kind) => kind === name)
}

const SHAPE = /^(\d{4})(\d{2})(\d{2})_(\d{2})(\d{2})(\d{2})_([a-z_]+?)(?:_(\d+))?$/

/** `20251018_214530_manual`, in UTC; `attempt` > 1 gives a suffix for a collision within one second. */
export function pointId(at: Date, kind: PointKind, attempt = 1): string {
  const stamp = at.toISOString().replace(/[-:]/g, '').replace('T', '_').slice(0, 15)
  return attempt > 1 ? `${stamp}_${kind}_${attempt}` : `${stamp}_${kind}`
}

/** The moment and kind of an id, or undefined where it is not one. */
export function parsePointId(id: string): { at: Date; kind: PointKind } | undefined {
  const found = SHAPE.exec(id)
  if (!found) return undefined
  const [, y, mo, d, h, mi, s, kind] = found
  if (!POINT_KINDS.includes(kind as PointKind)) return undefined
  return { at: new Date(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`), kind: kind as PointKind }
}

/** A moment as part of an object key: sorts by time, legal in every store. */
export function stamp(at: Date): string {
  return at.toISOString().replace(/[-:.]/g, '')
}
