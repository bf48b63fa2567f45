/** What the work of a driver ends with where it was cancelled: whatever broke then broke because of that. */
import { HoldfastError } from '../../core/errors.ts'

/** The error as it is, or CANCELLED. `what` is told of: `the restore into …`. */
export function orCancelled(error: unknown, { aborted }: AbortSignal, what: string, object: string): unknown {
  return aborted ? new HoldfastError('CANCELLED', `${what} was cancelled`, { object, cause: error }) : error
}
