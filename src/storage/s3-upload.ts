/** One multipart upload to S3, completed only where the key is free and the store's CRC32 of the whole is ours. */
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListPartsCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { setTimeout as delay } from 'node:timers/promises'
import { HoldfastError, messageOf } from '../core/errors.ts'
import { crc32Of } from './crc.ts'
import { checkKey } from './keys.ts'
import { conflict, unlike, uploadGone } from './problems.ts'
import { factsOf } from './s3-errors.ts'
import type { ObjectInfo, Upload } from './store.ts'

const ABORT_TRIES = 5
const ABORT_LOOK_MS = 100

/** Everything that the calls to one bucket share. */
export interface S3Context {
  client: S3Client
  bucket: string
  storageClass: string | undefined
  name: string
  full(key: string): string
  head(key: string): Promise<ObjectInfo | undefined>
  problem(error: unknown, action: string, key: string): unknown
}

interface Part {
  ETag: string | undefined
  ChecksumCRC32: string
}

export async function startS3Upload(context: S3Context, key: string): Promise<Upload> {
  checkKey(key)
  const { client, bucket, full, problem, storageClass } = context
  try {
    const { UploadId } = await client.send(
      new CreateMultipartUploadCommand({
        Bucket: bucket,
        Key: full(key),
        ChecksumAlgorithm: 'CRC32',
        ChecksumType: 'FULL_OBJECT',
        ...(storageClass ? { StorageClass: storageClass as 'STANDARD' } : {}),
      }),
    )
    if (!UploadId)
      throw new HoldfastError('STORE_UNSUPPORTED', `${context.name} started an upload of ${key} without an id`, { object: key })
    return uploadOf(context, key, UploadId)
  } catch (error) {
    throw problem(error, 'start an upload of', key)
  }
}

function uploadOf(context: S3Context, key: string, id: string): Upload {
  const { client, bucket, full } = context
  const parts = new Map<number, Part>()
  const at = { Bucket: bucket, Key: full(key), UploadId: id }
  /** A server that knows no such upload hangs up while the part is on its way, and its answer is lost: ask again without a body. */
  const wasHungUpOn = async (error: unknown): Promise<boolean> => {
    const { name, status } = factsOf(error)
    if (status !== undefined || name === 'AbortError') return false
    return client.send(new ListPartsCommand({ ...at, MaxParts: 1 })).then(() => false, isGone)
  }

  return {
    key,
    id,

    async part(number, body, signal) {
      const crc = crc32Of(body)
      try {
        const { ETag } = await client.send(
          new UploadPartCommand({ ...at, PartNumber: number, Body: body, ContentLength: body.length, ChecksumCRC32: crc }),
          { abortSignal: signal },
        )
        parts.set(number, { ETag, ChecksumCRC32: crc })
      } catch (error) {
        if (isGone(error) || (await wasHungUpOn(error))) throw uploadGone(context.name, key, error)
        throw context.problem(error, `write part ${number} of`, key)
      }
    },

    async complete(whole) {
      const Parts = [...parts].sort(([a], [b]) => a - b).map(([PartNumber, part]) => ({ PartNumber, ...part }))
      try {
        await client.send(
          new CompleteMultipartUploadCommand({
            ...at,
            IfNoneMatch: '*',
            ChecksumType: 'FULL_OBJECT',
            ChecksumCRC32: whole.crc32,
            MpuObjectSize: whole.size,
            MultipartUpload: { Parts },
          }),
        )
      } catch (error) {
        throw refusal(context, key, error)
      }
      const kept = await context.head(key)
      if (!kept || kept.size !== whole.size || (kept.crc32 && kept.crc32 !== whole.crc32))
        throw unlike(key, { size: kept?.size ?? 0, crc32: kept?.crc32 }, whole)
      return kept
    },

    abort: () => abortS3Upload(context, key, id),
  }
}

function isGone(error: unknown): boolean {
  const { name, status } = factsOf(error)
  return name === 'NoSuchUpload' || status === 404
}

/** Why the store would not complete. After 409 its parts are of no use: another write to the key was under way. */
function refusal(context: S3Context, key: string, error: unknown): unknown {
  const { name, status } = factsOf(error)
  if (status === 412) return conflict(key, error)
  if (status === 409) {
    return new HoldfastError('STORE_CONFLICT', `${context.name} met another write to ${key} while it completed the upload`, {
      object: key,
      cause: error,
      retryable: true,
      next: 'start it again; every part is sent anew',
    })
  }
  if (isGone(error) && name !== 'NoSuchBucket') return uploadGone(context.name, key, error)
  if (status === 400) {
    return new HoldfastError('INTEGRITY', `${context.name} refused the whole of ${key}: ${name}: ${messageOf(error)}`, {
      object: key,
      cause: error,
      retryable: true,
      next: 'nothing was published; start the backup again',
    })
  }
  return context.problem(error, 'complete the upload of', key)
}

/** A part that was still on its way when the upload was aborted may bring it back: aborted until the store no longer knows it. */
export async function abortS3Upload({ client, bucket, full, problem }: S3Context, key: string, id: string): Promise<void> {
  const at = { Bucket: bucket, Key: full(key), UploadId: id }
  for (let tries = 1; ; tries++) {
    await client.send(new AbortMultipartUploadCommand(at)).catch((error: unknown) => {
      if (factsOf(error).status !== 404) throw problem(error, 'abort the upload of', key)
    })
    await delay(ABORT_LOOK_MS * tries)
    // Where it may not be asked, the sweep of stale uploads finds what is left.
    const there = await client.send(new ListPartsCommand({ ...at, MaxParts: 1 })).then(
      () => true,
      () => false,
    )
    if (!there) return
    if (tries === ABORT_TRIES)
      throw new HoldfastError('STORE_UNREACHABLE', `the upload of ${key} is still there after ${tries} aborts`, { object: key })
  }
}
