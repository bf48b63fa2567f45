/** The current objects of a bucket in the order of their keys, page by page: delete markers are no objects and not among them. */
import { ListObjectsV2Command } from '@aws-sdk/client-s3'
import { HoldfastError } from '../../core/errors.ts'
import type { DriverContext } from '../driver.ts'
import type { Bucket } from './client.ts'
import { compareKeys } from './entries.ts'

export interface Listed {
  key: string
  size: number
  etag: string
  modified: string
}

/** Keys are those after `below`. */
export interface Place {
  below?: string
  prefix: string
}

export async function* list(bucket: Bucket, { below = '', prefix }: Place, { signal, onProgress }: DriverContext): AsyncGenerator<Listed> {
  let token: string | undefined
  let before: string | undefined
  let parts = 0
  do {
    const page = await bucket.call('list', below + prefix || 'all keys', signal, () =>
      bucket.client.send(
        new ListObjectsV2Command({
          Bucket: bucket.name,
          Prefix: below + prefix,
          // XML has no way to write some characters that keys may have.
          EncodingType: 'url',
          ...(token !== undefined && { ContinuationToken: token }),
        }),
        { abortSignal: signal },
      ),
    )
    for (const { Key = '', Size = 0, ETag = '', LastModified } of page.Contents ?? []) {
      const key = keyOf(page, Key).slice(below.length)
      requireOrder(bucket, before, key)
      before = key
      parts += 1
      yield { key, size: Size, etag: plainTag(ETag), modified: LastModified?.toISOString() ?? '' }
    }
    onProgress({ phase: 'list', parts })
    token = page.IsTruncated ? page.NextContinuationToken : undefined
  } while (token !== undefined)
}

/** As it is, whatever the answer writes for it. */
export const keyOf = ({ EncodingType }: { EncodingType?: string | undefined }, key: string): string =>
  EncodingType === 'url' ? decodeURIComponent(key.replaceAll('+', ' ')) : key

export const plainTag = (etag: string): string => etag.replaceAll('"', '')

/** Everything that compares a listing with an index stands on it: what is out of order would count as deleted. */
export function requireOrder(bucket: Bucket, before: string | undefined, key: string): void {
  if (before === undefined || compareKeys(before, key) < 0) return
  throw new HoldfastError('SOURCE_UNFIT', `${bucket.title} lists ${JSON.stringify(key)} after ${JSON.stringify(before)}`, {
    object: key,
    next: 'a directory bucket, or a store that does not list by the bytes of the keys, cannot be a source',
  })
}
