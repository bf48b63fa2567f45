/** What needs a point to look at, from the first repository of its source that gives it; without Temporal, which may be down. */
import type { Catalog } from '../catalog/catalog.ts'
import { placesToLook } from '../config/copies.ts'
import type { Config } from '../config/schema.ts'
import { sourceOf } from '../config/named.ts'
import { AT_FAULT, firstOf } from '../core/places.ts'
import type { OpenedServices } from './context.ts'

export interface Given<T> {
  found: T
  repository: string
  /** Why it is not from the repository of the source. */
  warnings: string[]
}

/** Ends as the first look did where no other repository can give it. */
export async function fromPlaces<T>(
  { catalog }: Pick<OpenedServices, 'catalog'>,
  config: Config,
  { source, repository: named }: { source: string; repository?: string | undefined },
  look: (place: { catalog: Catalog; repository: string }) => Promise<T>,
): Promise<Given<T>> {
  const { given, failures } = await firstOf(
    placesToLook(sourceOf(config, source), source, named),
    async (repository) => ({ found: await look({ catalog: await catalog(repository), repository }), repository }),
    // One that is in an archive here may be readable at once elsewhere.
    ({ code }) => AT_FAULT.includes(code) || code === 'POINT_ARCHIVED',
  )
  if (!given) throw failures[0]?.error
  return {
    ...given,
    warnings: failures.map(({ place, error }) => `${place}: ${error.message}; the copy in ${given.repository} was taken`),
  }
}
