/** Backups as planning sees them: from a manifest, or from the engine with what the manifests add. */
import { HoldfastError } from '../../core/errors.ts'
import type { PitrBase } from '../../core/planning.ts'
import type { Manifest } from '../../core/records.ts'
import { parseSegmentName } from '../../core/wal.ts'
import type { EngineBackup } from './engine.ts'

export function baseOf(manifest: Manifest): PitrBase {
  const { reference, consistency } = manifest
  const segment = reference && parseSegmentName(reference.walStop)
  if (!reference || !segment)
    throw new HoldfastError('INTEGRITY', `the manifest of ${manifest.id} names no physical backup`, { object: manifest.id })
  return {
    label: reference.label,
    timeline: segment.timeline,
    systemId: consistency.systemId ?? '',
    walStart: reference.walStart,
    walStop: reference.walStop,
    // A point without its own stop is planned by its mark, which is a little later.
    lsnStop: text(reference.lsnStop) ?? consistency.lsn ?? '0/0',
    stoppedAt: text(reference.stoppedAt) ?? consistency.time,
    ...marks(manifest),
  }
}

export function baseOfBackup(backup: EngineBackup, manifest?: Manifest): PitrBase {
  const { label, timeline, systemId, walStart, walStop, lsnStop, stoppedAt } = backup
  return { label, timeline, systemId, walStart, walStop, lsnStop, stoppedAt, ...(manifest ? marks(manifest) : {}) }
}

function marks({ consistency }: Manifest): Pick<PitrBase, 'nextXid' | 'restorePoint'> {
  const nextXid = text(consistency.nextXid)
  const { restorePoint: name, lsn } = consistency
  return { ...(nextXid ? { nextXid } : {}), ...(name && lsn ? { restorePoint: { name, lsn } } : {}) }
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)
