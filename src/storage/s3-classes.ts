/** Objects moved between the classes of S3: it has no call for that, so each is copied onto itself, by the store alone. */
import {
  AbortMultipartUploadCommand,
  CopyObjectCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListMultipartUploadsCommand,
  ListObjectVersionsCommand,
  RestoreObjectCommand,
} from '@aws-sdk/client-s3'
import { HoldfastError } from '../core/errors.ts'
import { copyInParts, copySource } from './s3-copy.ts'
import { factsOf } from './s3-errors.ts'
import { headOrNone, infoOf, isLocked } from './s3-head.ts'
import type { S3Context } from './s3-upload.ts'
import type { Classes } from './store.ts'

/** S3 copies up to 5 GB in one call; in parts no call lasts so long that its connection is taken for dead. */
const PART_BYTES = 512 * 1024 * 1024

interface Copying {
  key: string
  found: HeadObjectCommandOutput
  StorageClass: 'STANDARD'
  partBytes: number
  signal: AbortSignal | undefined
}

export function createS3Classes(context: S3Context, partBytes = PART_BYTES): Classes {
  const { client, bucket, full, problem } = context
  return {
    async moveTo(key, storageClass, signal) {
      const found = await headOrNone(context, key)
      if (!found) return 'absent'
      if ((found.StorageClass ?? 'STANDARD') === storageClass) {
        await removeReplaced(context, key, found)
        return 'there'
      }
      // Its version would stay beside the copy, and cost as much as ever.
      if (isLocked(found)) return 'locked'
      // The commands know the classes of their day only.
      const copying = { key, found, StorageClass: storageClass as 'STANDARD', partBytes, signal }
      await ((found.ContentLength ?? 0) > partBytes ? copyParts : copyWhole)(context, copying).catch((error: unknown) => {
        throw signal?.aborted ? signal.reason : problem(error, `move to ${storageClass}`, key)
      })
      const now = await headOrNone(context, key)
      refuseOther(context, key, found, now)
      if (now) await removeReplaced(context, key, now, found.VersionId)
      return 'moved'
    },

    async thaw(key, { tier, days }) {
      const found = await headOrNone(context, key)
      if (!found || infoOf(key, found).thaw !== 'none') return
      const RestoreRequest = { Days: days, GlacierJobParameters: { Tier: tier as 'Standard' } }
      try {
        await client.send(new RestoreObjectCommand({ Bucket: bucket, Key: full(key), RestoreRequest }))
      } catch (error) {
        // Somebody asked since we looked.
        if (factsOf(error).name !== 'RestoreAlreadyInProgress') throw problem(error, 'thaw', key)
      }
    },
  }
}

async function copyWhole(context: S3Context, { key, found, StorageClass, signal }: Copying): Promise<void> {
  await context.client.send(
    new CopyObjectCommand({
      Bucket: context.bucket,
      Key: context.full(key),
      CopySource: copySource(context.bucket, context.full(key)),
      CopySourceIfMatch: found.ETag,
      MetadataDirective: 'COPY',
      ChecksumAlgorithm: 'CRC32',
      StorageClass,
    }),
    { abortSignal: signal },
  )
}

async function copyParts(context: S3Context, { key, found, StorageClass, partBytes, signal }: Copying): Promise<void> {
  const { client, bucket, full } = context
  const { ContentType, Metadata, ContentLength: size = 0, ETag } = found
  const { crc32 } = infoOf(key, found)
  await abortEarlier(context, key)
  const kept = { ...(ContentType && { ContentType }), ...(Metadata && { Metadata }) }
  const checksum = { ChecksumType: 'FULL_OBJECT' } as const
  await copyInParts({
    client,
    create: { Bucket: bucket, Key: full(key), ...kept, ...checksum, ChecksumAlgorithm: 'CRC32', StorageClass },
    source: { CopySource: copySource(bucket, full(key)), CopySourceIfMatch: ETag },
    size,
    partBytes,
    complete: { ...checksum, MpuObjectSize: size, ...(crc32 !== undefined && { ChecksumCRC32: crc32 }) },
    signal,
  })
}

/** Of a try that was killed: nothing else uploads to where an artifact stands. */
async function abortEarlier({ client, bucket, full }: S3Context, key: string): Promise<void> {
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: full(key) }))
  for (const { Key, UploadId } of Uploads)
    if (Key === full(key)) await client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }))
}

/** Nothing of the object from before is removed where it came out otherwise. */
function refuseOther({ name }: S3Context, key: string, before: HeadObjectCommandOutput, now: HeadObjectCommandOutput | undefined): void {
  const [was, is] = [infoOf(key, before), now && infoOf(key, now)]
  const compares = was.crc32 !== undefined && is?.crc32 !== undefined
  if (is && is.size === was.size && (!compares || is.crc32 === was.crc32)) return
  const words = (one: typeof is) => (one ? `${one.size} bytes${compares ? `, crc32 ${one.crc32}` : ''}` : 'no object')
  throw new HoldfastError('INTEGRITY', `${name} has ${words(is)} at ${key} after it was moved; before there were ${words(was)}`, {
    object: key,
  })
}

/**
 * What copies replaced, where the bucket keeps versions. It goes only where it is older than what stands there now, and is what
 * this try copied, or by its checksum the same: below a bad object may lie the good one that it was written over.
 */
async function removeReplaced(
  context: S3Context,
  key: string,
  now: HeadObjectCommandOutput,
  copied?: HeadObjectCommandOutput['VersionId'],
): Promise<void> {
  if (now.VersionId === undefined) return
  const { client, full, problem } = context
  const object = { Bucket: context.bucket, Key: full(key) }
  try {
    const { Versions = [] } = await client.send(new ListObjectVersionsCommand({ Bucket: object.Bucket, Prefix: object.Key }))
    const own = Versions.filter(({ Key }) => Key === object.Key)
    const current = own.findIndex(({ VersionId }) => VersionId === now.VersionId)
    // S3 lists the newest first. What is newer than ours, another try has just made.
    for (const { VersionId, Size } of current < 0 ? [] : own.slice(current + 1)) {
      if (Size !== now.ContentLength || VersionId === undefined) continue
      const version = { ...object, VersionId }
      if (VersionId === copied || (await isSame(context, key, version, now))) await client.send(new DeleteObjectCommand(version))
    }
  } catch (error) {
    throw problem(error, 'remove the version that was replaced of', key)
  }
}

/** Without a checksum on both sides nobody can say so. */
async function isSame(
  { client }: S3Context,
  key: string,
  version: { Bucket: string; Key: string; VersionId: string },
  now: HeadObjectCommandOutput,
): Promise<boolean> {
  const { crc32 } = infoOf(key, await client.send(new HeadObjectCommand({ ...version, ChecksumMode: 'ENABLED' })))
  return crc32 !== undefined && crc32 === infoOf(key, now).crc32
}
