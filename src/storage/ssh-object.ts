/** What is said of an object between here and the other host. */
import { createHash } from 'node:crypto'
import { HoldfastError } from '../core/errors.ts'
import type { ObjectInfo } from './store.ts'

export const sha256 = (body: Buffer): string => createHash('sha256').update(body).digest('hex')

/** Of what stat printed: the size, and the time in seconds. */
export function infoOf(key: string, printed: string): ObjectInfo {
  const [size, modified] = printed.trim().split(' ').map(Number)
  return { key, size: size ?? 0, modified: new Date((modified ?? 0) * 1000) }
}

/** A connection that broke looks there like the end of the bytes. */
export function cutShort(key: string, body: Buffer): HoldfastError {
  return new HoldfastError('STORE_UNREACHABLE', `of the ${body.length} bytes for ${key} not all arrived, or not as they were sent`, {
    object: key,
  })
}
