/** The sources of a configuration, by their names. */
import { HoldfastError } from '../core/errors.ts'
import type { Config, SourceConfig } from './schema.ts'

/** Throws NOT_FOUND for one that nobody configured. */
export function sourceOf({ sources }: Pick<Config, 'sources'>, name: string): SourceConfig {
  const found = sources[name]
  if (found) return found
  throw new HoldfastError('NOT_FOUND', `no source "${name}"; there is ${Object.keys(sources).join(', ') || 'none'}`, { object: name })
}
