/** Leftovers of runs that died: objects below an id without a manifest, uploads that nobody completes. */
import { manifestKey, parseKey, sourcePrefix } from './keys.ts'
import { neededBy } from './needed.ts'
import type { CatalogContext } from './records.ts'
import { type PointObject, type Removed, remove } from './remove.ts'

export interface SweepOptions {
  /** Younger leftovers may belong to a run that is not known here. */
  olderThan: Date
  /** Ids that a run is writing or deleting now. */
  inUse: Iterable<string>
}

export interface Swept extends Removed {
  abortedUploads: { key: string; id: string }[]
}

/** Removes the source's leftovers. A point with a manifest is never touched, nor an id in use, nor anything younger. */
export async function sweepOrphans(context: CatalogContext, source: string, { olderThan, inUse }: SweepOptions): Promise<Swept> {
  const { store } = context
  const busy = new Set(inUse)
  const swept: Swept = { deleted: [], locked: [], abortedUploads: [] }

  for await (const { key, id, started } of store.pendingUploads(sourcePrefix(source))) {
    const place = parseKey(key)
    if (!place || busy.has(place.id) || started >= olderThan) continue
    await store.abortUpload({ key, id })
    swept.abortedUploads.push({ key, id })
  }
  for (const [id, objects] of await unpublished(context, source)) {
    if (busy.has(id) || objects.some(({ modified }) => modified >= olderThan)) continue
    // Published since the listing: a run that nobody knew of has ended well.
    if (await store.head(manifestKey(source, id))) continue
    // A deletion that was cut short, of a point that another was building on.
    if ((await neededBy(context, source, id)).length > 0) continue
    const removed = await remove(context, objects)
    swept.deleted.push(...removed.deleted)
    swept.locked.push(...removed.locked)
  }
  return swept
}

async function unpublished({ store }: Pick<CatalogContext, 'store'>, source: string): Promise<Map<string, PointObject[]>> {
  const folders = new Map<string, PointObject[]>()
  for await (const info of store.list(sourcePrefix(source))) {
    const place = parseKey(info.key)
    if (!place) continue
    folders.set(place.id, [...(folders.get(place.id) ?? []), { ...info, kind: place.kind }])
  }
  for (const [id, objects] of folders) if (objects.some(({ kind }) => kind === 'manifest')) folders.delete(id)
  return folders
}
