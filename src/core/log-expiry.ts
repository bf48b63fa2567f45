/** Which segments of a log may go: from the old end on, as far as they are old enough and no recovery point is replayed with them. Pure. */
import type { Entries } from './log.ts'

export interface LogSegment extends Entries {
  name: string
  /** No entry of it is later than this. */
  archivedAt: Date
}

export interface LogExpiry {
  /** Names of what goes, oldest first. */
  go: string[]
  /** So many more are old enough, and stay because a point needs them, or one before them. */
  needed: number
}

/** What goes of an archive, and why the rest stays. */
export interface LogPlan {
  archive: string
  keep: string
  segments: number
  bytes: number
  /** The first and the last that go. */
  first?: string
  last?: string
  needed?: { segments: number; by: string }
  /** Why nothing may go; `unhealthy` where that is nothing to wait for. */
  left?: string
  unhealthy?: true
  /** Where the lock of an object ended it: of what was to go, only what is before this segment went. */
  locked?: string
}

/** `segments` in the order of their entries; up to the entry `through` no point needs any. */
export function planLogExpiry(segments: readonly LogSegment[], through: number, before: Date): LogExpiry {
  const old = leading(segments, ({ archivedAt }) => archivedAt < before)
  const go = leading(old, ({ last }) => last <= through)
  return { go: go.map(({ name }) => name), needed: old.length - go.length }
}

/** Those before the first of which it does not hold: what lies behind that stays, so that no gap is made. */
function leading<T>(all: readonly T[], holds: (one: T) => boolean): readonly T[] {
  const at = all.findIndex((one) => !holds(one))
  return at < 0 ? all : all.slice(0, at)
}
