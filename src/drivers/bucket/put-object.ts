/** One object written with all that was kept beside it: in one request, or in parts where it is larger. */
import { buffer } from 'node:stream/consumers'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { crc32Of } from '../../storage/crc.ts'
import { MOST_PARTS } from '../../storage/s3-copy.ts'
import type { Bucket } from './client.ts'
import type { Facts, Kept } from './entries.ts'
import { plainTag } from './listing.ts'

export interface Writing {
  bucket: Bucket
  partBytes: number
  signal: AbortSignal
}

/** What the store made of it. */
export interface Written {
  etag: string
  version: string | undefined
}

export async function putObject(writing: Writing, key: string, entry: Facts, body: AsyncIterable<Buffer>): Promise<Written> {
  const { bucket, partBytes, signal } = writing
  if (entry.size > partBytes) return putParts(writing, key, entry, body)
  const whole = await buffer(body)
  const { ETag = '', VersionId } = await bucket.call('write', key, signal, () =>
    bucket.client.send(
      new PutObjectCommand({
        ...keptOf(bucket, key, entry),
        Body: whole,
        ContentLength: whole.length,
        ChecksumCRC32: crc32Of(whole),
      }),
      { abortSignal: signal },
    ),
  )
  return { etag: plainTag(ETag), version: VersionId }
}

export function keptOf({ name }: Bucket, key: string, { headers: { Expires, ...headers }, metadata, tags }: Kept) {
  const tagging = new URLSearchParams(tags).toString()
  return {
    Bucket: name,
    Key: key,
    ...headers,
    ...(Expires !== undefined && { Expires: new Date(Expires) }),
    ...(Object.keys(metadata).length > 0 && { Metadata: metadata }),
    ...(tagging !== '' && { Tagging: tagging }),
  }
}

async function putParts({ bucket, partBytes, signal }: Writing, key: string, entry: Facts, body: AsyncIterable<Buffer>): Promise<Written> {
  const { client, call } = bucket
  const { UploadId } = await call('start an upload of', key, signal, () =>
    client.send(new CreateMultipartUploadCommand({ ...keptOf(bucket, key, entry), ChecksumAlgorithm: 'CRC32' }), { abortSignal: signal }),
  )
  const at = { Bucket: bucket.name, Key: key, UploadId }
  try {
    const Parts: { ETag: string | undefined; ChecksumCRC32: string; PartNumber: number }[] = []
    for await (const part of inPieces(body, Math.max(partBytes, Math.ceil(entry.size / MOST_PARTS)))) {
      const PartNumber = Parts.length + 1
      const ChecksumCRC32 = crc32Of(part)
      const { ETag } = await call(`write part ${PartNumber} of`, key, signal, () =>
        client.send(new UploadPartCommand({ ...at, PartNumber, Body: part, ContentLength: part.length, ChecksumCRC32 }), {
          abortSignal: signal,
        }),
      )
      Parts.push({ ETag, ChecksumCRC32, PartNumber })
    }
    const { ETag = '', VersionId } = await call('complete', key, signal, () =>
      client.send(new CompleteMultipartUploadCommand({ ...at, MultipartUpload: { Parts } })),
    )
    return { etag: plainTag(ETag), version: VersionId }
  } catch (error) {
    // Parts of an upload that nobody completes cost their room for ever.
    await client.send(new AbortMultipartUploadCommand(at)).catch(() => {})
    throw error
  }
}

async function* inPieces(body: AsyncIterable<Buffer>, bytes: number): AsyncGenerator<Buffer> {
  let parts: Buffer[] = []
  let have = 0
  for await (const chunk of body) {
    parts.push(chunk)
    have += chunk.length
    if (have < bytes) continue
    const whole = Buffer.concat(parts)
    let from = 0
    for (; have >= bytes; have -= bytes, from += bytes) yield whole.subarray(from, from + bytes)
    parts = [whole.subarray(from)]
  }
  if (have > 0) yield Buffer.concat(parts)
}
