/** What can be wrong with an object, in the same words in every store. */
import { HoldfastError } from '../core/errors.ts'

export function notFound(store: string, key: string, cause?: unknown): HoldfastError {
  return new HoldfastError('NOT_FOUND', `${store} has no object ${key}`, { object: key, cause })
}

/** The parts are no longer there: completed, aborted or swept. */
export function uploadGone(store: string, key: string, cause?: unknown): HoldfastError {
  return new HoldfastError('NOT_FOUND', `${store} has no such upload of ${key}: it was completed or aborted`, {
    object: key,
    cause,
    retryable: true,
    next: 'start it again; every part is sent anew',
  })
}

/** There is an object at the key already. */
export function conflict(key: string, cause?: unknown): HoldfastError {
  return new HoldfastError('STORE_CONFLICT', `an object already stands at ${key}; it was kept and the upload is not visible`, {
    object: key,
    cause,
  })
}

/** What arrived is not what was sent. */
export function unlike(
  key: string,
  arrived: { size: number; crc32: string | undefined },
  sent: { size: number; crc32: string },
): HoldfastError {
  return new HoldfastError(
    'INTEGRITY',
    `the store received ${arrived.size} bytes with CRC32 ${arrived.crc32 ?? '?'} for ${key}, but ${sent.size} bytes with CRC32 ${sent.crc32} were sent`,
    {
      object: key,
      next: 'nothing was published; start the backup again',
      retryable: true,
    },
  )
}
