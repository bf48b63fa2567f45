/** What of the archived log no recovery point is replayed with any more: all before the entry of the oldest that goes with it. */
import { gapsIn } from '../../core/log.ts'
import { planLogExpiry } from '../../core/log-expiry.ts'
import type { Manifest } from '../../core/records.ts'
import type { LogKeeping, LogLeaving } from '../driver.ts'
import type { RaftClusterConfig } from './config.ts'
import { fact } from './parts.ts'
import { archiveNameOf, namesOf, segmentsOf } from './wal.ts'

export function planLog({ wal }: Pick<RaftClusterConfig, 'wal'>, { archive, held, points, before }: LogKeeping): LogLeaving {
  const [oldest] = points
    .filter((manifest) => fact(manifest, 'wal', 'archive') === archive)
    .sort((a, b) => entryOf(a) - entryOf(b) || (a.id < b.id ? -1 : 1))
  // Of an archive of before the cluster was restored, that is its end; of the present one, a beginning that nobody knows.
  if (!oldest && wal && archiveNameOf(wal) === archive) return { go: [], left: 'no recovery point goes with it yet' }
  const segments = segmentsOf(namesOf(wal), held)
  const { go, needed } = planLogExpiry(segments, oldest ? entryOf(oldest) : Number.POSITIVE_INFINITY, before)
  const gaps = oldest ? gapsIn(segments, entryOf(oldest)) : []
  return {
    go,
    ...(oldest && needed > 0 && { needed: { segments: needed, by: oldest.id } }),
    ...(oldest && gaps.length > 0 && { missing: { gaps, after: oldest.id } }),
  }
}

/** The last entry that is in the point: one that does not say needs all of them. */
const entryOf = (manifest: Manifest): number => Number(fact(manifest, 'snapshot', 'index') ?? 0)
