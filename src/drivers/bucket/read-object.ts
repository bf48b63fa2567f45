/** One object with all that is kept beside it; a body that breaks off goes on where it was, of the same object only. */
import type { Readable } from 'node:stream'
import { GetObjectCommand, type GetObjectCommandOutput, GetObjectTaggingCommand } from '@aws-sdk/client-s3'
import { HoldfastError } from '../../core/errors.ts'
import type { Bucket } from './client.ts'
import type { Entry, Kept } from './entries.ts'
import { plainTag } from './listing.ts'

export type Facts = Kept & Pick<Entry, 'key' | 'size' | 'etag' | 'version' | 'modified'>

export interface OpenObject {
  facts: Facts
  /** The MD5 that the bytes have to have, where the store says it. */
  md5: string | undefined
  body: AsyncIterable<Buffer>
}

export interface Reading {
  bucket: Bucket
  tags: boolean
  signal: AbortSignal
}

/** Undefined where it is not there any more. */
export async function openObject({ bucket, tags, signal }: Reading, key: string): Promise<OpenObject | undefined> {
  const answer = await get(bucket, key, signal)
  if (!answer) return undefined
  const facts = factsOf(key, answer)
  if (tags) facts.tags = await tagsOf(bucket, key, facts.version, signal)
  return { facts, md5: md5Of(answer), body: wholeBody(bucket, answer, facts, signal) }
}

interface From {
  offset: number
  etag: string
}

async function get(bucket: Bucket, key: string, signal: AbortSignal, from?: From): Promise<GetObjectCommandOutput | undefined> {
  const range = from && { Range: `bytes=${from.offset}-`, IfMatch: `"${from.etag}"` }
  return orGone(
    bucket.call('read', key, signal, () =>
      bucket.client.send(new GetObjectCommand({ Bucket: bucket.name, Key: key, ...range }), { abortSignal: signal }),
    ),
  )
}

/** A bucket that is gone is no object that is gone: its error says so. */
export async function orGone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    const name = error instanceof HoldfastError && error.code === 'NOT_FOUND' ? (error.cause as Error | undefined)?.name : undefined
    if (name === undefined || name === 'NoSuchBucket') throw error
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
  { key, size, etag }: Facts,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const tries = bucket.begin(`read ${key}`, signal)
  let offset = 0
  for (let answer: GetObjectCommandOutput | undefined = first; ; answer = await get(bucket, key, signal, { offset, etag })) {
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
