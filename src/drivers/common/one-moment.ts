/** What an engine's points that are of one moment cannot give. */
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import type { RestoreTarget } from '../driver.ts'

const BY_ID = 'choose the recovery point by its id'

/** Throws TARGET_OUT_OF_RANGE. `what` holds the moment: `a snapshot`. */
export function requireOneMoment(what: string, { source, id }: Manifest, to: RestoreTarget | undefined, next = BY_ID): void {
  if (!to || to.latest) return
  throw new HoldfastError('TARGET_OUT_OF_RANGE', `${what} holds one moment: there is no point in time to choose`, {
    object: `${source}/${id}`,
    next,
  })
}
