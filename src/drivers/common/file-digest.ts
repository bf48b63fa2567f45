/** The BLAKE3 of a file, read in pieces. */
import { createReadStream } from 'node:fs'
import { Blake3Hasher } from '@napi-rs/blake-hash'
import { HoldfastError, messageOf } from '../../core/errors.ts'

/** 64 hex digits. Throws CANCELLED, and PROCESS_FAILED where it cannot be read. */
export async function digestOfFile(path: string, signal?: AbortSignal): Promise<string> {
  const hasher = new Blake3Hasher()
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024, ...(signal && { signal }) }))
      hasher.update(chunk as Buffer)
  } catch (error) {
    if (signal?.aborted) throw new HoldfastError('CANCELLED', `reading ${path} was cancelled`, { object: path, cause: error })
    throw new HoldfastError('PROCESS_FAILED', `${path} cannot be read: ${messageOf(error)}`, { object: path, cause: error })
  }
  return hasher.digest('hex')
}
