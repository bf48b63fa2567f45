/** One object with all that is kept beside it; a body that breaks off goes on where it was, of the same object only. */
import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import {
  GetObjectCommand,
  type GetObjectCommandInput,
  type GetObjectCommandOutput,
  GetObjectTaggingCommand,
  HeadObjectCommand,
} from '@aws-sdk/client-s3'
import { HoldfastError } from '../../core/errors.ts'
import type { Bucket } from './client.ts'
import type { BucketSourceConfig } from './config.ts'
import type { Facts } from './entries.ts'
import { plainTag } from './listing.ts'

export interface OpenObject {
  facts: Facts
  /** The MD5 that the bytes have to have, where the store says it. */
  md5: string | undefined
  body: AsyncIterable<Buffer>
}

export interface Reading {
  bucket: Bucket
  tags: boolean
  /** ETags that look like an MD5 are none. */
  opaque: boolean
  signal: AbortSignal
}

export const readingOf = ({ tags, etags }: BucketSourceConfig, bucket: Bucket, signal: AbortSignal): Reading => ({
  bucket,
  tags,
  opaque: etags === 'opaque',
  signal,
})

/** The current version, or that one; undefined where it is not there any more. */
export async function openObject(reading: Reading, key: string, version?: string): Promise<OpenObject | undefined> {
  const { bucket, tags, opaque, signal } = reading
  const answer = await get(bucket, key, signal, { ...(version !== undefined && { VersionId: version }) })
  if (!answer) return undefined
  const facts = factsOf(key, answer)
  if (tags) facts.tags = await tagsOf(bucket, key, facts.version, signal)
  return { facts, md5: opaque ? undefined : md5Of(answer), body: wholeBody(bucket, answer, facts, signal) }
}

type Which = Pick<GetObjectCommandInput, 'VersionId' | 'Range' | 'IfMatch'>

async function get(bucket: Bucket, key: string, signal: AbortSignal, which: Which): Promise<GetObjectCommandOutput | undefined> {
  return orGone(
    bucket.call('read', key, signal, () =>
      bucket.client.send(new GetObjectCommand({ Bucket: bucket.name, Key: key, ...which }), { abortSignal: signal }),
    ),
  )
}

/** What is kept beside the bytes of a version. */
export async function factsOfVersion({ bucket, tags, signal }: Reading, key: string, version?: string): Promise<Facts | undefined> {
  const which = { Bucket: bucket.name, Key: key, ...(version !== undefined && { VersionId: version }) }
  const answer = await orGone(
    bucket.call('look at', key, signal, () => bucket.client.send(new HeadObjectCommand(which), { abortSignal: signal })),
  )
  if (!answer) return undefined
  return { ...factsOf(key, answer), tags: tags ? await tagsOf(bucket, key, version, signal) : {} }
}

/** Ends with an error where the bytes are not those that the store says. */
export async function* compared({ facts: { key }, md5, body }: OpenObject): AsyncGenerator<Buffer> {
  const hash = md5 === undefined ? undefined : createHash('md5')
  for await (const chunk of body) {
    hash?.update(chunk)
    yield chunk
  }
  const found = hash?.digest('hex')
  if (found !== md5)
    throw new HoldfastError('INTEGRITY', `${key} was read with the MD5 ${found}, the store's ETag is ${md5}`, {
      object: key,
      retryable: true,
      next: 'start it again; if the ETag of this store is no MD5, set etags: opaque for the source',
    })
}

/** A bucket that is gone is no object that is gone: its error says so. */
export async function orGone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    const name = error instanceof HoldfastError && error.code === 'NOT_FOUND' ? (error.cause as Error | undefined)?.name : undefined
    if (name === undefined || name === 'NoSuchBucket' || name === 'NoSuchUpload') throw error
    return undefined
  }
}

const HEADERS = [
  'ContentType',
  'CacheControl',
  'ContentDisposition',
  'ContentEncoding',
  'ContentLanguage',
  'WebsiteRedirectLocation',
] as const
type Answer = Partial<Record<(typeof HEADERS)[number], string>> &
  Pick<GetObjectCommandOutput, 'ContentLength' | 'ETag' | 'VersionId' | 'LastModified' | 'Metadata' | 'ExpiresString'>

export function factsOf(key: string, answer: Answer): Facts {
  const headers = Object.fromEntries(HEADERS.flatMap((name) => (answer[name] ? [[name, answer[name]]] : [])))
  const { ContentLength = 0, ETag = '', VersionId, LastModified, Metadata = {}, ExpiresString } = answer
  return {
    key,
    size: ContentLength,
    etag: plainTag(ETag),
    ...(VersionId !== undefined && VersionId !== 'null' && { version: VersionId }),
    modified: LastModified?.toISOString() ?? '',
    headers: { ...headers, ...(ExpiresString && { Expires: ExpiresString }) },
    metadata: Metadata,
    tags: {},
  }
}

export async function tagsOf(
  bucket: Bucket,
  key: string,
  version: string | undefined,
  signal: AbortSignal | undefined,
): Promise<Record<string, string>> {
  const of = { Bucket: bucket.name, Key: key, ...(version !== undefined && { VersionId: version }) }
  const answer = await orGone(
    bucket.call('read the tags of', key, signal, () =>
      bucket.client.send(new GetObjectTaggingCommand(of), signal ? { abortSignal: signal } : {}),
    ),
  )
  return Object.fromEntries((answer?.TagSet ?? []).map(({ Key = '', Value = '' }) => [Key, Value]))
}

/** With a key of a key service, and of an object written in parts, it is something else. */
function md5Of({ ETag = '', ServerSideEncryption, SSECustomerAlgorithm }: GetObjectCommandOutput): string | undefined {
  const etag = plainTag(ETag)
  const plain = SSECustomerAlgorithm === undefined && (ServerSideEncryption === undefined || ServerSideEncryption === 'AES256')
  return plain && /^[0-9a-f]{32}$/.test(etag) ? etag : undefined
}

async function* wholeBody(
  bucket: Bucket,
  first: GetObjectCommandOutput,
  { key, size, etag, version }: Facts,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const tries = bucket.begin(`read ${key}`, signal)
  const of = { IfMatch: `"${etag}"`, ...(version !== undefined && { VersionId: version }) }
  let offset = 0
  for (
    let answer: GetObjectCommandOutput | undefined = first;
    ;
    answer = await get(bucket, key, signal, { ...of, Range: `bytes=${offset}-` })
  ) {
    try {
      for await (const chunk of (answer?.Body ?? []) as Readable) {
        offset += chunk.length
        tries.progressed()
        yield chunk
      }
      if (offset === size) return
      throw new Error(`it ended after ${offset} of ${size} bytes`)
    } catch (error) {
      if (answer === undefined || offset > size) throw error
      await tries.failed(bucket.problem(error, 'read', key))
    } finally {
      ;(answer?.Body as Readable | undefined)?.destroy()
    }
  }
}
