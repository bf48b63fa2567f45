/** The WAL before the recoverable window goes, but for what the points that are left need to be restored by themselves. */
import { seconds } from '../../core/duration.ts'
import type { Manifest } from '../../core/records.ts'
import { type ArchivedBackup, planWalExpiry } from '../../core/wal-expiry.ts'
import type { ArchiveExpiry, ArchiveKeeping } from '../driver.ts'
import { baseOfBackup } from './bases.ts'
import type { EngineBackup, PhysicalEngine } from './engine.ts'
import { hasOwnWal } from './own-wal.ts'

const NOTHING = { segments: 0, bytes: 0 }
const MEANWHILE = 'a backup is being taken: the next retention looks again'

export async function expireArchive(
  engine: PhysicalEngine,
  { window, points, leaving = [], dryRun }: ArchiveKeeping,
  now = Date.now(),
): Promise<ArchiveExpiry> {
  const [{ backups, busy }, archive] = await Promise.all([engine.info(), engine.archive()])
  if (busy) return { ...NOTHING, left: MEANWHILE }
  const gone = new Set(leaving.flatMap(({ reference }) => reference?.label ?? []))
  const staying = backups.filter(({ label }) => !gone.has(label))
  const bases = new Map(points.filter(({ sound }) => sound).map(({ manifest }) => [labelOf(manifest), manifest.completedAt]))
  const plan = planWalExpiry(archive, staying.map(asArchived(bases)), now - seconds(window) * 1000)
  if ('left' in plan) return { ...NOTHING, ...plan }
  const without = points.find(({ manifest }) => plan.alone.includes(labelOf(manifest)) && !hasOwnWal(manifest))
  if (without)
    return {
      segments: 0,
      bytes: 0,
      left: `${without.manifest.id} was taken without WAL of its own, and needs the archive to reach its mark`,
    }
  const expired = new Set(plan.segments)
  const bytes = archive.segments.reduce((sum, segment) => sum + (expired.has(segment.wal) ? (segment.bytes ?? 0) : 0), 0)
  if (!dryRun && expired.size > 0) {
    // The engine counts from its newest backup: with one more, it would take away the WAL of the last that counts.
    const now = await engine.info()
    if (now.busy || now.backups.map(({ label }) => label).join() !== backups.map(({ label }) => label).join())
      return { ...NOTHING, left: MEANWHILE }
    await engine.expireWal(plan.keepFulls)
  }
  return { segments: expired.size, bytes }
}

const labelOf = ({ reference }: Manifest) => reference?.label ?? ''

/** A point counts from when it was complete: by the same moment retention tells which one the window begins with. */
const asArchived =
  (bases: ReadonlyMap<string, string>) =>
  (backup: EngineBackup): ArchivedBackup => {
    const completedAt = bases.get(backup.label)
    const { type, needs, stoppedAt } = backup
    return { ...baseOfBackup(backup), type, needs, base: completedAt !== undefined, stoppedAt: completedAt ?? stoppedAt }
  }
