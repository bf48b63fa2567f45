/** A lock that was not given in time, told alike whoever waited for it: a session of ours or pg_dump. */
import { HoldfastError, messageOf } from '../../core/errors.ts'

/** SOURCE_LOCKED for such an error, else the error itself. */
export function lockedOut(error: unknown, place: string): unknown {
  // 55P03 is lock_not_available; pg_dump names the statement that it gave up.
  const table = /LOCK TABLE (.+) IN ACCESS SHARE MODE/.exec(messageOf(error))?.[1]
  if ((error as { code?: string }).code !== '55P03' && table === undefined) return error
  return new HoldfastError('SOURCE_LOCKED', `${table ?? 'a table'} of ${place} stays locked: ${messageOf(error)}`, {
    object: table ?? place,
    cause: error,
  })
}
