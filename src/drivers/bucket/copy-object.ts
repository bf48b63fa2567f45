/** A version of an object written anew elsewhere: by the store itself, in parts where it is larger, with nothing of it passing through here. */
import { CopyObjectCommand } from '@aws-sdk/client-s3'
import { copyInParts, copySource } from '../../storage/s3-copy.ts'
import type { Bucket } from './client.ts'
import type { Facts } from './entries.ts'
import { plainTag } from './listing.ts'
import { keptOf, type Written } from './put-object.ts'
import { tagsOf } from './read-object.ts'

export interface Copying {
  from: Bucket
  /** Asked for it: it has to be the same store, and its keys have to open both. */
  to: Bucket
  /** What is larger is copied in parts of this size. */
  partBytes: number
  /** False where nobody has asked for them yet. */
  tags: boolean
  signal: AbortSignal
  /** Told after every part. */
  onBytes(bytes: number): void
}

export interface Original {
  key: string
  version: string | undefined
  /** Nothing else is copied, where the version does not say so by itself. */
  etag?: string
}

export async function copyObject(copying: Copying, original: Original, key: string, kept: Facts): Promise<Written> {
  const { from, to, partBytes, tags, signal, onBytes } = copying
  const CopySource = copySource(from.name, original.key, original.version)
  const which = { CopySource, ...(original.etag !== undefined && { CopySourceIfMatch: `"${original.etag}"` }) }
  if (kept.size > partBytes)
    return copyParts(copying, which, key, {
      ...kept,
      tags: tags ? kept.tags : await tagsOf(from, original.key, original.version, signal),
    })
  // Its tags go with it.
  const { Tagging: _, ...beside } = keptOf(to, key, kept)
  const answer = await to.call('copy', key, signal, () =>
    to.client.send(new CopyObjectCommand({ ...beside, ...which, MetadataDirective: 'REPLACE' }), { abortSignal: signal }),
  )
  onBytes(kept.size)
  return { etag: plainTag(answer.CopyObjectResult?.ETag ?? ''), version: answer.VersionId }
}

async function copyParts(
  { to, partBytes, signal, onBytes }: Copying,
  source: { CopySource: string; CopySourceIfMatch?: string },
  key: string,
  kept: Facts,
): Promise<Written> {
  const { client } = to
  const call = <T>(what: string, ask: () => Promise<T>) => to.call(what, key, signal, ask)
  const create = keptOf(to, key, kept)
  const done = await copyInParts({ client, create, source, size: kept.size, partBytes, signal, call, onBytes })
  return { etag: plainTag(done.ETag ?? ''), version: done.VersionId }
}
