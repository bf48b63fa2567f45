/** The database of the Temporal that runs Holdfast is never restored from a run on it. */
import type { Config } from '../src/config/schema.ts'
import { HoldfastError } from '../src/core/errors.ts'
import { sourceOf } from './services.ts'

/** Such a restore, also one on the failure of something else, would roll back the very run that makes it, and whatever else it had decided since. */
export function refuseOwnDatabase(config: Config, name: string): void {
  const source = sourceOf(config, name)
  if (!('temporalPersistence' in source) || !source.temporalPersistence) return
  throw new HoldfastError('SOURCE_UNFIT', `${name} is the database of the Temporal that runs this very restore (temporalPersistence)`, {
    object: name,
    next: `stop every server of that Temporal, then restore without it: holdfast restore ${name} --offline; or by a Holdfast that runs on another Temporal`,
  })
}
