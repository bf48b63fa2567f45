/**
 * Taking a recovery point away. The manifest goes first: from then on it is no point, whatever happens to the rest, and
 * never one that is listed and cannot be restored.
 */
import { HoldfastError } from '../core/errors.ts'
import { type ObjectInfo, readAll } from '../storage/store.ts'
import { manifestKey, type PointKey, parseKey, pointPrefix } from './keys.ts'
import { refuseNeeded } from './needed.ts'
import { holdsOf } from './notes.ts'
import type { CatalogContext } from './records.ts'

export interface Removed {
  deleted: string[]
  /** Kept by the store until their retention ends; a later sweep takes them. */
  locked: string[]
}

const ORDER: PointKey['kind'][] = ['manifest', 'reservation', 'other', 'data', 'proof', 'hold', 'keys']

/**
 * Deletes the point. Safe to repeat after any interruption. A locked manifest is left with everything else; of others
 * that are locked the rest goes. Throws POINT_PROTECTED for a held point, and for one that another needs. What nobody
 * published is discard's to remove.
 */
export async function deletePoint(context: CatalogContext, source: string, id: string): Promise<Removed> {
  const objects = await objectsOf(context, source, id)
  const published = objects.some(({ kind }) => kind === 'manifest')
  if (!published && objects.some(({ kind }) => kind === 'reservation')) {
    throw new HoldfastError('NOT_FOUND', `${source} ${id} was never published: a run may still be writing it`, {
      object: id,
      next: `holdfast list ${source}`,
    })
  }
  if (published && (await holdsOf(context, source, id)).at(-1)?.held) {
    throw new HoldfastError('POINT_PROTECTED', `${source} ${id} is held`, {
      object: id,
      next: `holdfast hold ${source} ${id} --release --reason "…"`,
    })
  }
  await refuseNeeded(context, source, id)
  if (!published) return remove(context, objects)
  const key = manifestKey(source, id)
  const bytes = await readAll(context.store, key)
  const manifest = await remove(
    context,
    objects.filter(({ kind }) => kind === 'manifest'),
  )
  if (manifest.locked.length > 0) return manifest
  // A point that builds on this one may be published at this very moment: whoever publishes looks at the objects after its
  // manifest stands, this looks for such a manifest before the objects go.
  await refuseNeeded(context, source, id).catch(async (error: unknown) => {
    await context.store.put(key, bytes, { ifAbsent: true })
    throw error
  })
  const rest = await remove(
    context,
    objects.filter(({ kind }) => kind !== 'manifest'),
  )
  return { deleted: [...manifest.deleted, ...rest.deleted], locked: rest.locked }
}

/**
 * Removes what a run left that did not publish: uploads, objects, the reservation. A published point is left alone; one
 * that a straggler published meanwhile goes as well, for its objects are gone.
 */
export async function discard(context: Pick<CatalogContext, 'store'>, source: string, id: string): Promise<Removed> {
  const objects = await objectsOf(context, source, id)
  if (objects.some(({ kind }) => kind === 'manifest')) return { deleted: [], locked: [] }
  for await (const pending of context.store.pendingUploads(pointPrefix(source, id))) await context.store.abortUpload(pending)
  const removed = await remove(context, objects)
  const late = await objectsOf(context, source, id)
  if (!late.some(({ kind }) => kind === 'manifest')) return removed
  const again = await remove(context, late)
  return { deleted: [...removed.deleted, ...again.deleted], locked: [...new Set([...removed.locked, ...again.locked])] }
}

/** Deletes in the order that keeps every intermediate state honest. */
export async function remove({ store }: Pick<CatalogContext, 'store'>, objects: PointObject[]): Promise<Removed> {
  const removed: Removed = { deleted: [], locked: [] }
  const inOrder = [...objects].sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind))
  for (const { key, kind } of inOrder) {
    const outcome = await store.delete(key)
    if (outcome === 'deleted') removed.deleted.push(key)
    if (outcome === 'locked') removed.locked.push(key)
    if (outcome === 'locked' && kind === 'manifest') return removed
  }
  return removed
}

export type PointObject = ObjectInfo & { kind: PointKey['kind'] }

export async function objectsOf({ store }: Pick<CatalogContext, 'store'>, source: string, id: string): Promise<PointObject[]> {
  const objects: PointObject[] = []
  for await (const info of store.list(pointPrefix(source, id))) objects.push({ ...info, kind: parseKey(info.key)?.kind ?? 'other' })
  return objects
}
