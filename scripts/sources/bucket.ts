/** A bucket of a shop: photos with metadata and tags, and a larger one, on an S3 server of its own that keeps versions. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutBucketVersioningCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { blake3 } from '@napi-rs/blake-hash'
import { createS3Client } from '../../src/storage/s3-client.ts'
import { type S3Server, startS3 } from '../toolbox/s3.ts'
import type { OpenSample } from './sample.ts'

export const SHOP_BUCKET = 'shop'

export type Access = Pick<S3Server, 'endpoint' | 'caFile' | 'accessKeyId' | 'secretAccessKey'>

export function clientOf({ endpoint, caFile, ...credentials }: Access): S3Client {
  return createS3Client({
    bucket: SHOP_BUCKET,
    region: 'us-east-1',
    prefix: '',
    endpoint,
    credentials,
    ...(caFile !== undefined && { caFile }),
  })
}

export interface Content {
  body: string | Buffer
  type?: string
  metadata?: Record<string, string>
  tags?: string
}

export async function put(client: S3Client, Key: string, { body, type, metadata, tags }: Content, Bucket = SHOP_BUCKET): Promise<void> {
  await client.send(
    new PutObjectCommand({
      Bucket,
      Key,
      Body: Buffer.from(body),
      ...(type !== undefined && { ContentType: type }),
      ...(metadata && { Metadata: metadata }),
      ...(tags !== undefined && { Tagging: tags }),
    }),
  )
}

export async function keysOf(client: S3Client, Bucket = SHOP_BUCKET): Promise<string[]> {
  const keys: string[] = []
  let token: string | undefined
  do {
    const page = await client.send(
      new ListObjectsV2Command({ Bucket, EncodingType: 'url', ...(token !== undefined && { ContinuationToken: token }) }),
    )
    keys.push(
      ...(page.Contents ?? []).map(({ Key = '' }) => (page.EncodingType === 'url' ? decodeURIComponent(Key.replaceAll('+', ' ')) : Key)),
    )
    token = page.NextContinuationToken
  } while (token !== undefined)
  return keys
}

/** Every object with its bytes and what is kept beside them; of a place below a prefix, as if it stood there alone. */
export async function bucketContents(client: S3Client, Bucket = SHOP_BUCKET, below = ''): Promise<string> {
  const lines: string[] = []
  for (const Key of await keysOf(client, Bucket)) {
    if (!Key.startsWith(below)) continue
    const at = { Bucket, Key }
    const object = await client.send(new GetObjectCommand(at))
    const bytes = (await object.Body?.transformToByteArray()) ?? new Uint8Array()
    const { TagSet = [] } = await client.send(new GetObjectTaggingCommand(at))
    const tags = TagSet.map((tag) => `${tag.Key}=${tag.Value}`).sort()
    const metadata = Object.entries(object.Metadata ?? {}).sort()
    lines.push(JSON.stringify([Key.slice(below.length), bytes.length, blake3(bytes).toString('hex'), object.ContentType, metadata, tags]))
  }
  return lines.join('\n')
}

export async function fillBucket(client: S3Client): Promise<void> {
  await client.send(new PutBucketVersioningCommand({ Bucket: SHOP_BUCKET, VersioningConfiguration: { Status: 'Enabled' } }))
  for (let number = 0; number < 40; number += 1)
    await put(client, `photos/${number % 4}/${String(number).padStart(4, '0')}.jpg`, {
      body: `photo ${number} `.repeat(50 * number),
      type: 'image/jpeg',
      metadata: { camera: `model-${number % 3}` },
      tags: `album=${number % 4}`,
    })
  await put(client, 'photos/large.bin', { body: Buffer.alloc(3_000_000, 'large object '), type: 'application/octet-stream' })
  await put(client, 'readme.txt', { body: 'a shop', type: 'text/plain' })
  // Its newest version is a delete marker, which is no object.
  await put(client, 'gone.txt', { body: 'gone' })
  await client.send(new DeleteObjectCommand({ Bucket: SHOP_BUCKET, Key: 'gone.txt' }))
}

export async function openUploads(client: S3Client): Promise<string[]> {
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: SHOP_BUCKET }))
  return Uploads.map(({ Key = '' }) => `upload of ${Key}`)
}

export const openBucketSample: OpenSample = async (dir) => {
  const folder = join(dir, 's3')
  await mkdir(folder, { recursive: true })
  const server = await startS3({ dir: folder })
  await server.createBucket(SHOP_BUCKET)
  const { endpoint, caFile, accessKeyId, secretAccessKey } = server
  const client = clientOf({ endpoint, caFile, accessKeyId, secretAccessKey })
  await fillBucket(client)
  return {
    driver: 'bucket',
    config: {
      bucket: SHOP_BUCKET,
      endpoint: server.endpoint,
      ...(server.caFile !== undefined && { caFile: server.caFile }),
      accessKeyId: '${env:SHOP_S3_KEY}',
      secretAccessKey: '${env:SHOP_S3_SECRET}',
      packSize: '1MB',
      verify: { assertions: [{ key: 'readme.txt', text: 'a shop' }] },
    },
    env: { SHOP_S3_KEY: server.accessKeyId, SHOP_S3_SECRET: server.secretAccessKey },
    contents: () => bucketContents(client),
    async change() {
      await put(client, 'readme.txt', { body: 'another shop' })
      await put(client, 'photos/new.jpg', { body: 'new' })
    },
    async destroy() {
      for (const Key of await keysOf(client)) await client.send(new DeleteObjectCommand({ Bucket: SHOP_BUCKET, Key }))
      await put(client, 'first.txt', { body: 'written after the loss' })
    },
    leftovers: () => openUploads(client),
    async close() {
      client.destroy()
      await server.stop()
    },
  }
}
