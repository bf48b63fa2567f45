/** Points whose objects are among the artifacts of others: they stay as long as one of those is there. */
import { HoldfastError } from '../core/errors.ts'
import { readAll } from '../storage/store.ts'
import type { Problem } from './generations.ts'
import { parseKey } from './keys.ts'
import { type CatalogContext, isGone } from './records.ts'
import { survey } from './survey.ts'

/** The published points that need this one, by id. */
export async function neededBy(context: CatalogContext, source: string, id: string): Promise<string[]> {
  const { points, problems } = await survey(context, source)
  const needing = points.filter(({ parents }) => parents.includes(id)).map((point) => point.id)
  return [...needing, ...(await claimedBy(context, problems, id))]
}

/**
 * Those that cannot be trusted and say so: with the public key that was taken out put back they are points again. Nothing
 * is done by their word but to leave a point where it is.
 */
async function claimedBy({ store }: CatalogContext, problems: readonly Problem[], id: string): Promise<string[]> {
  const claiming: string[] = []
  for (const { key } of problems) {
    const place = parseKey(key)
    if (place?.kind === 'manifest' && parentsIn(await readAll(store, key).catch(gone)).includes(id)) claiming.push(place.id)
  }
  return claiming
}

/** Deleted since it was listed. */
function gone(error: unknown): Buffer {
  if (isGone(error)) return Buffer.alloc(0)
  throw error
}

function parentsIn(manifest: Buffer): unknown[] {
  try {
    const { parents }: { parents?: unknown } = JSON.parse(manifest.toString('utf8'))
    return Array.isArray(parents) ? parents : []
  } catch {
    return []
  }
}

/** Throws POINT_PROTECTED where a published point needs it. */
export async function refuseNeeded(context: CatalogContext, source: string, id: string): Promise<void> {
  const children = await neededBy(context, source, id)
  if (children.length === 0) return
  throw new HoldfastError('POINT_PROTECTED', `${id} is needed by ${children.join(', ')}`, {
    object: id,
    next: `delete ${children.join(', ')} first`,
  })
}
