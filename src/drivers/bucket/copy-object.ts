/** A version of an object written anew elsewhere: by the store itself, in parts where it is larger, with nothing of it passing through here. */
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import type { Bucket } from './client.ts'
import type { Facts } from './entries.ts'
import { plainTag } from './listing.ts'
import { keptOf, MOST_PARTS, type Written } from './put-object.ts'
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
  const CopySource = sourceOf(from, original)
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

function sourceOf({ name }: Bucket, { key, version }: Original): string {
  const path = `${name}/${key.split('/').map(encodeURIComponent).join('/')}`
  return version === undefined ? path : `${path}?versionId=${encodeURIComponent(version)}`
}

async function copyParts(
  copying: Copying,
  which: { CopySource: string; CopySourceIfMatch?: string },
  key: string,
  kept: Facts,
): Promise<Written> {
  const { to, partBytes, signal, onBytes } = copying
  const { UploadId } = await to.call('start an upload of', key, signal, () =>
    to.client.send(new CreateMultipartUploadCommand(keptOf(to, key, kept)), { abortSignal: signal }),
  )
  const at = { Bucket: to.name, Key: key, UploadId }
  const step = Math.max(partBytes, Math.ceil(kept.size / MOST_PARTS))
  try {
    const Parts: { ETag: string | undefined; PartNumber: number }[] = []
    for (let offset = 0; offset < kept.size; offset += step) {
      const PartNumber = Parts.length + 1
      const end = Math.min(offset + step, kept.size) - 1
      const answer = await to.call(`copy part ${PartNumber} of`, key, signal, () =>
        to.client.send(new UploadPartCopyCommand({ ...at, PartNumber, ...which, CopySourceRange: `bytes=${offset}-${end}` }), {
          abortSignal: signal,
        }),
      )
      Parts.push({ ETag: answer.CopyPartResult?.ETag, PartNumber })
      onBytes(end + 1 - offset)
    }
    const done = await to.call('complete', key, signal, () =>
      to.client.send(new CompleteMultipartUploadCommand({ ...at, MultipartUpload: { Parts } })),
    )
    return { etag: plainTag(done.ETag ?? ''), version: done.VersionId }
  } catch (error) {
    // Parts of an upload that nobody completes cost their room for ever.
    await to.client.send(new AbortMultipartUploadCommand(at)).catch(() => {})
    throw error
  }
}
