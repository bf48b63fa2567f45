/** What can be recovered now, from the engine's backups and its archive. */
import { type PitrBase, type PitrChoice, choosePitrBase, type Windows, windowsOf } from '../../core/planning.ts'
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import type { RestoreTarget } from '../driver.ts'
import { baseOfBackup } from './bases.ts'
import type { EngineInfo, PhysicalEngine } from './engine.ts'

/** From the first backup of each unbroken run of WAL to its end, per timeline; and the gaps between the runs. */
export async function recoverableWindow(engine: PhysicalEngine): Promise<Windows> {
  const [info, archive] = await Promise.all([engine.info(), engine.archive()])
  return windowsOf(archive, basesOf(info))
}

/** The backup and timeline that lead to the target; `manifests` add what the engine does not know of its backups. */
export async function planRecovery(
  engine: PhysicalEngine,
  target: RestoreTarget,
  manifests: readonly Manifest[] = [],
): Promise<PitrChoice & { pointId?: string }> {
  if (target.sequence !== undefined)
    throw new HoldfastError('INPUT_INVALID', 'a physical source knows no sequence of events: it stops at a time, lsn, xid or name', {
      object: 'sequence',
      next: 'give the time, or a source of driver postgres-events',
    })
  const [info, archive] = await Promise.all([engine.info(), engine.archive()])
  // Where points are given, only they are bases: a backup without a manifest is not Holdfast's to promise.
  const known = basesOf(info, manifests).filter(
    ({ label }) => manifests.length === 0 || manifests.some(({ reference }) => reference?.label === label),
  )
  const choice = choosePitrBase(known, target, archive, info.systemId === undefined ? {} : { systemId: info.systemId })
  const pointId = info.backups.find(({ label }) => label === choice.label)?.pointId
  return { ...choice, ...(pointId === undefined ? {} : { pointId }) }
}

function basesOf({ backups }: EngineInfo, manifests: readonly Manifest[] = []): PitrBase[] {
  return backups.map((backup) =>
    baseOfBackup(
      backup,
      manifests.find(({ reference }) => reference?.label === backup.label),
    ),
  )
}
