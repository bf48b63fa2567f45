/** Points whose objects are among the artifacts of others: they stay as long as one of those is there. */
import { HoldfastError } from '../core/errors.ts'
import type { CatalogContext } from './records.ts'
import { survey } from './survey.ts'

/** The published points that need this one, by id. */
export async function neededBy(context: CatalogContext, source: string, id: string): Promise<string[]> {
  return (await survey(context, source)).points.filter(({ parents }) => parents.includes(id)).map((point) => point.id)
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
