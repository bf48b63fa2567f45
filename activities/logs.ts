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

interface Wish {
  points: readonly { manifest: Manifest }[]
  /** Archived before that; however young where it is not said. */
  before?: Date
  host: string | undefined
}

/** Later than everything. */
const EVER = new Date(8.64e15)

/** What these points are not replayed with and was archived before that may go; nothing is taken away. */
export async function examineLog(services: Services, place: LogPlace, wish: Wish): Promise<ExaminedLog> {
  const { source, archive } = place
  const repository = place.repository ?? services.config.archives[archive]?.repository
  if (!repository) throw noLog(source, archive)
  const leaving = await leavingOf(services, place, wish)
  const store = await services.store(repository)
  const { held, unrecorded } = await heldIn({ archive, store })
  return { store, held, unrecorded, ...leaving(held) }
}

/** The same of segments that are held anywhere, as the driver sees it. */
export async function leavingOf(
  services: Services,
  { source, archive }: LogPlace,
  { points, before = EVER, host }: Wish,
): Promise<(held: readonly Held[]) => LogLeaving> {
  const { planLog } = await services.repositoryDriver(source, host)
  if (!planLog) throw noLog(source, archive)
  const manifests = points.map(({ manifest }) => manifest)
  return (held) => planLog({ archive, held, points: manifests, before })
}

function noLog(source: string, archive: string): HoldfastError {
  return new HoldfastError('NOT_FOUND', `${source} has no log "${archive}" on this worker`, {
    object: archive,
    next: 'give all workers the same holdfast.yaml',
  })
}
