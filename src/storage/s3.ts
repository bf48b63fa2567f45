/** A store in an S3 bucket. Conditional writes and whole-object checksums are the store's own; doctor proves that it has them. */
import { PassThrough, type Readable, Transform } from 'node:stream'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { crc32Of } from './crc.ts'
import { checkKey } from './keys.ts'
import { createS3Classes } from './s3-classes.ts'
import { createS3Client, type S3Options } from './s3-client.ts'
import { factsOf, s3Problem } from './s3-errors.ts'
import { classIn, headOrNone, infoOf, isLocked } from './s3-head.ts'
import { abortS3Upload, type S3Context, startS3Upload } from './s3-upload.ts'
import type { ObjectInfo, Store } from './store.ts'

/** What S3 asks of every part but the last. */
const MIN_PART = 5 * 1024 * 1024

export function createS3Store(options: S3Options): Store {
  const context = contextOf(options)
  const { client, bucket, name, full, problem } = context
  const at = (key: string) => ({ Bucket: bucket, Key: full(key) })
  const relative = (key: string) => key.slice(full('').length)

  return {
    name,
    minPartBytes: MIN_PART,
    head: context.head,

    async *list(prefix) {
      let ContinuationToken: string | undefined
      do {
        const page = await client
          .send(new ListObjectsV2Command({ Bucket: bucket, Prefix: full(prefix), ContinuationToken }))
          .catch((error: unknown) => {
            throw problem(error, 'list', prefix)
          })
        for (const { Key = '', Size = 0, LastModified, StorageClass } of page.Contents ?? [])
          yield { key: relative(Key), size: Size, modified: LastModified ?? new Date(0), ...classIn(StorageClass) }
        ContinuationToken = page.IsTruncated ? page.NextContinuationToken : undefined
      } while (ContinuationToken)
    },

    async get(key, { signal, start } = {}) {
      try {
        const Range = start ? `bytes=${start}-` : undefined
        const { Body, ContentLength } = await client.send(new GetObjectCommand({ ...at(key), Range }), { abortSignal: signal })
        return whole(Body as Readable, ContentLength, (error) => (signal?.aborted ? signal.reason : problem(error, 'read', key)))
      } catch (error) {
        // Nothing is left from there on: what a reader that goes on after the last byte asks for.
        if (factsOf(error).status === 416) return new PassThrough().end()
        throw problem(error, 'read', key)
      }
    },

    async put(key, body, { ifAbsent }) {
      checkKey(key)
      try {
        await client.send(
          new PutObjectCommand({
            ...at(key),
            Body: body,
            ContentLength: body.length,
            ChecksumCRC32: crc32Of(body),
            ...(ifAbsent ? { IfNoneMatch: '*' } : {}),
          }),
        )
        return 'created'
      } catch (error) {
        if (ifAbsent && factsOf(error).status === 412) return 'exists'
        throw problem(error, 'write', key)
      }
    },

    startUpload: (key) => startS3Upload(context, key),

    async *pendingUploads(prefix) {
      let marker: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {}
      while (marker) {
        const page: ListMultipartUploadsCommandOutput = await client
          .send(new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: full(prefix), ...marker }))
          .catch((error: unknown) => {
            throw problem(error, 'list the uploads of', prefix)
          })
        for (const { Key = '', UploadId = '', Initiated } of page.Uploads ?? [])
          yield { key: relative(Key), id: UploadId, started: Initiated ?? new Date(0) }
        marker =
          page.IsTruncated && page.NextKeyMarker ? { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker } : undefined
      }
    },

    abortUpload: ({ key, id }) => abortS3Upload(context, key, id),
    delete: (key) => remove(context, key),
    classes: createS3Classes(context, options.copyPartBytes),
    close: () => client.destroy(),
  }
}

function contextOf(options: S3Options): S3Context {
  const client = createS3Client(options)
  const prefix = options.prefix.replace(/^\/+|\/+$/g, '')
  const full = (key: string) => (prefix ? `${prefix}/${key}` : key)
  const name = `s3://${options.bucket}${prefix ? `/${prefix}` : ''}`
  const problem: S3Context['problem'] = (error, action, key) => s3Problem(error, name, action, key)
  const head = async (key: string): Promise<ObjectInfo | undefined> => {
    const found = await headOrNone({ client, bucket: options.bucket, full, problem }, key)
    return found && infoOf(key, found)
  }
  return { client, bucket: options.bucket, storageClass: options.storageClass, name, full, head, problem }
}

/** Ends with an error where the connection gives fewer bytes than the store announced. */
function whole(body: Readable, announced: number | undefined, problem: (error: unknown) => unknown): Readable {
  let received = 0
  const checked = new Transform({
    highWaterMark: 1024 * 1024,
    transform(chunk: Buffer, _encoding, done) {
      received += chunk.length
      done(null, chunk)
    },
    flush(done) {
      const short = announced !== undefined && received !== announced
      done(short ? (problem(new Error(`the connection ended after ${received} of ${announced} bytes`)) as Error) : null)
    },
  })
  body.once('error', (error) => checked.destroy(problem(error) as Error))
  checked.once('close', () => body.destroy())
  return body.pipe(checked)
}

/** Deletes the very version: without it a bucket that keeps versions would hide the object and go on storing it. */
async function remove(context: S3Context, key: string): Promise<'deleted' | 'absent' | 'locked'> {
  const found = await headOrNone(context, key)
  if (!found) return 'absent'
  if (isLocked(found)) return 'locked'
  try {
    await context.client.send(new DeleteObjectCommand({ Bucket: context.bucket, Key: context.full(key), VersionId: found.VersionId }))
    return 'deleted'
  } catch (error) {
    const now = await headOrNone(context, key)
    if (now && isLocked(now)) return 'locked'
    throw context.problem(error, 'delete', key)
  }
}
