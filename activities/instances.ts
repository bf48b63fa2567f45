/** Where instances that a recovery made live on this worker; their names come from runs, and lead nowhere else. */
import { join } from 'node:path'
import { HoldfastError } from '../src/core/errors.ts'
import { type Services, sourceOf } from './services.ts'

export function instanceDir(services: Services, source: string, instance: string): string {
  if (!/^(pitr|restore|proof)-[0-9a-zA-Z-]+$/.test(instance)) {
    throw new HoldfastError('INPUT_INVALID', `"${instance}" is no instance of a recovery`, { object: instance })
  }
  return join(services.scratchRoot(sourceOf(services.config, source)), instance)
}
