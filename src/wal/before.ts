/** What of a PostgreSQL archive nobody needs who keeps no base backup older than the one that is named. */
import { HoldfastError } from '../core/errors.ts'
import type { Held } from './contents.ts'
import { parseWalName } from './names.ts'

/**
 * `oldest` is a segment, or the `.backup` file of a base backup, which is named for the segment that it begins with.
 * Segment numbers count on across timelines, so that older timelines go with it; of a younger one, which may have left before,
 * nothing does. Histories stay: a few bytes that tell where a timeline came from. In the order in which they are to go.
 * Throws INPUT_INVALID, NOT_FOUND.
 */
export function filesBefore(held: readonly Held[], oldest: string, archive: string): Held[] {
  const limit = positionOf(oldest)
  if (!limit)
    throw new HoldfastError('INPUT_INVALID', `${JSON.stringify(oldest)} is no segment of a PostgreSQL log`, {
      object: oldest,
      next: 'name the oldest segment to keep, or the .backup file of the oldest base backup, like 0000000100000000000000A3',
    })
  const segment = oldest.slice(0, 24)
  if (!held.some(({ name }) => name === segment))
    throw new HoldfastError('NOT_FOUND', `${archive} has no ${segment}: nothing goes, since what is meant to stay begins there`, {
      object: segment,
      next: `holdfast wal-list ${archive} shows what there is`,
    })
  return held
    .flatMap((file) => {
      const at = positionOf(file.name)
      return at && at.timeline <= limit.timeline && at.number < limit.number ? [{ file, ...at }] : []
    })
    .sort((a, b) => (a.number === b.number ? a.timeline - b.timeline : a.number < b.number ? -1 : 1))
    .map(({ file }) => file)
}

/** Of everything that is named for a segment. The part after the timeline sorts as the log goes, whatever a segment's size. */
function positionOf(name: string): { timeline: number; number: string } | undefined {
  const { kind, timeline } = parseWalName(name)
  if (kind === 'other' || kind === 'history' || timeline === undefined) return undefined
  return { timeline, number: name.slice(8, 24) }
}
