/**
 * What a run's tries leave below their point. A try that was killed leaves whole objects of its own names; one that was
 * frozen may thaw long after its run has ended, and go on writing. Whoever was last, below a published point stands
 * only what its manifest names, and below one that was given up nothing.
 */
import { pointPrefix, reservationKey } from './keys.ts'
import { readManifest } from './manifests.ts'
import type { CatalogContext } from './records.ts'
import { discard, objectsOf, type Removed, remove } from './remove.ts'

/**
 * For a try that has done its last write, and for the run once its point is published: whichever comes later sees what
 * the other left. As long as the reservation stands the run is under way, and nothing is touched.
 */
export async function settle(context: Pick<CatalogContext, 'store' | 'verifier'>, source: string, id: string): Promise<Removed> {
  const { store } = context
  if (await store.head(reservationKey(source, id))) return { deleted: [], locked: [] }
  const objects = await objectsOf(context, source, id)
  if (!objects.some(({ kind }) => kind === 'manifest')) return discard(context, source, id)
  const { manifest } = await readManifest(context, source, id)
  const named = new Set(manifest.artifacts.map(({ key }) => key))
  for await (const pending of store.pendingUploads(pointPrefix(source, id))) await store.abortUpload(pending)
  return remove(
    context,
    objects.filter(({ key, kind }) => (kind === 'data' || kind === 'other') && !named.has(key)),
  )
}
