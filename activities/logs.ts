/** An archive of a log with what its driver makes of it. */
import type { Manifest } from '../src/core/records.ts'
import { HoldfastError } from '../src/core/errors.ts'
import type { LogLeaving } from '../src/drivers/driver.ts'
import type { Store } from '../src/storage/store.ts'
import { type Held, heldIn } from '../src/wal/contents.ts'
import type { Services } from './services.ts'

export interface LogPlace {
  source: string
  archive: string
  /** That of a copy; without it its own. */
  repository?: string
}

export interface ExaminedLog extends LogLeaving {
  store: Store
  held: Held[]
  /** Of pushes under way, or that were killed. */
  unrecorded: Held[]
}

/** Later than everything: of however young segments. */
export const EVER = new Date(8.64e15)

/** What these points are not replayed with and was archived before that may go; nothing is taken away. */
export async function examineLog(
  services: Services,
  { source, archive, repository: copies }: LogPlace,
  { points, before, host }: { points: readonly { manifest: Manifest }[]; before: Date; host: string | undefined },
): Promise<ExaminedLog> {
  const repository = copies ?? services.config.archives[archive]?.repository
  const driver = await services.repositoryDriver(source, host)
  if (!repository || !driver.planLog)
    throw new HoldfastError('NOT_FOUND', `${source} has no log "${archive}" on this worker`, {
      object: archive,
      next: 'give all workers the same holdfast.yaml',
    })
  const store = await services.store(repository)
  const { held, unrecorded } = await heldIn({ archive, store })
  const manifests = points.map(({ manifest }) => manifest)
  return { store, held, unrecorded, ...driver.planLog({ archive, held, points: manifests, before }) }
}
