/** What needs a point to look at, from the first repository of its source that gives it; without Temporal, which may be down. */
import type { Catalog } from '../catalog/catalog.ts'
import { repositoriesOf, requireRepository } from '../config/copies.ts'
import type { Config, SourceConfig } from '../config/schema.ts'
import { HoldfastError } from '../core/errors.ts'
import type { OpenedServices } from './context.ts'

export interface Given<T> {
  found: T
  repository: string
  /** Why it is not from the repository of the source. */
  warnings: string[]
}

/** What may be otherwise in another repository. */
const ELSEWHERE: readonly string[] = ['STORE_UNREACHABLE', 'STORE_DENIED', 'NOT_FOUND', 'INTEGRITY', 'SIGNATURE_INVALID', 'POINT_ARCHIVED']

/** The source as it is configured. Throws NOT_FOUND for one that nobody configured. */
export function sourceIn({ sources }: Config, name: string): SourceConfig {
  const found = sources[name]
  if (found) return found
  throw new HoldfastError('NOT_FOUND', `no source "${name}"; there is ${Object.keys(sources).join(', ') || 'none'}`, { object: name })
}

/** Ends as the first look did where no other repository can give it. */
export async function fromPlaces<T>(
  { catalog }: Pick<OpenedServices, 'catalog'>,
  config: Config,
  { source, repository }: { source: string; repository?: string | undefined },
  look: (place: { catalog: Catalog; repository: string }) => Promise<T>,
): Promise<Given<T>> {
  const own = sourceIn(config, source)
  if (repository !== undefined) requireRepository(own, source, repository)
  const failures: { place: string; error: HoldfastError }[] = []
  for (const place of repository === undefined ? repositoriesOf(own) : [repository]) {
    try {
      const found = await look({ catalog: await catalog(place), repository: place })
      return {
        found,
        repository: place,
        warnings: failures.map((one) => `${one.place}: ${one.error.message}; the copy in ${place} was taken`),
      }
    } catch (error) {
      if (!(error instanceof HoldfastError) || !ELSEWHERE.includes(error.code)) throw error
      failures.push({ place, error })
    }
  }
  throw failures[0]?.error
}
