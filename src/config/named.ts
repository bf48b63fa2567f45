/** What a configuration has under a name that somebody gave. */
import { HoldfastError } from '../core/errors.ts'
import type { Config, SourceConfig } from './schema.ts'

/** Throws NOT_FOUND for what nobody configured. `what` it is: `source`, `set`. */
export function named<T>(what: string, all: Readonly<Record<string, T>>, name: string): T {
  const found = all[name]
  if (found !== undefined) return found
  throw new HoldfastError('NOT_FOUND', `no ${what} "${name}"; there is ${Object.keys(all).join(', ') || 'none'}`, { object: name })
}

export const sourceOf = ({ sources }: Pick<Config, 'sources'>, name: string): SourceConfig => named('source', sources, name)
