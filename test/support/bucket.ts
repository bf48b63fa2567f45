/** A bucket on a real S3 server, filled as the sample is. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectVersionsCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { type Access, bucketContents, clientOf, fillBucket, openUploads, SHOP_BUCKET } from '../../scripts/sources/bucket.ts'
import { startMoto } from '../../scripts/toolbox/moto.ts'
import { startS3 } from '../../scripts/toolbox/s3.ts'
import { bucketSource } from '../../src/drivers/bucket/config.ts'
import { createBucket } from '../../src/drivers/bucket/index.ts'
import type { Manifest } from '../../src/core/records.ts'
import type { RestoreChoice, SourceDriver } from '../../src/drivers/driver.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { contextFor, openRepository } from '../conformance/driver.ts'

export interface Shop {
  client: S3Client
  driver(more?: object): SourceDriver
  contents(bucket?: string, below?: string): Promise<string>
  /** Of one object. */
  text(key: string, bucket?: string): Promise<string>
  createBucket(name: string): Promise<void>
  /** With every version; resolves to how many there were. */
  removeBucket(name: string): Promise<number>
  leftovers(): Promise<string[]>
  scratchRoot: string
  close(): Promise<void>
}

export function driverOn(access: Access, more: object): SourceDriver {
  const { endpoint, caFile, ...keys } = access
  const config = bucketSource.parse({
    driver: 'bucket',
    repository: 'hot',
    bucket: SHOP_BUCKET,
    endpoint,
    ...(caFile !== undefined && { caFile }),
    accessKeyId: 'accessKeyId',
    secretAccessKey: 'secretAccessKey',
    packSize: '1MB',
    ...more,
  })
  // Another reference to the same value is, to a driver, another key.
  const secret = async (reference: string) => keys[reference.replace('other ', '') as keyof typeof keys]
  return createBucket({ config, wiring: { source: 'orders', secret } })
}

interface Stage {
  access: Access
  createBucket(name: string): Promise<void>
  stop(): Promise<void>
}

async function realServer(): Promise<Stage> {
  const server = await startS3()
  const { endpoint, caFile, accessKeyId, secretAccessKey } = server
  return {
    access: { endpoint, caFile, accessKeyId, secretAccessKey },
    createBucket: (name) => server.createBucket(name),
    stop: server.stop,
  }
}

/** For what the real one does not know: the times of replaced versions, and rules of a life cycle. */
export async function standIn(): Promise<Stage> {
  const moto = await startMoto()
  const access = { endpoint: moto.endpoint, caFile: undefined, accessKeyId: 'test', secretAccessKey: 'test' }
  const createBucket = async (Bucket: string) => {
    const client = clientOf(access)
    await client.send(new CreateBucketCommand({ Bucket }))
    client.destroy()
  }
  return { access, createBucket, stop: moto.stop }
}

export async function openShop(start: () => Promise<Stage> = realServer): Promise<Shop> {
  const { access, createBucket, stop } = await start()
  await createBucket(SHOP_BUCKET)
  const client = clientOf(access)
  await fillBucket(client)
  const scratchRoot = await mkdtemp(join(tmpdir(), 'holdfast-scratch-'))
  return {
    client,
    driver: (more = {}) => driverOn(access, more),
    contents: (bucket, below) => bucketContents(client, bucket, below),
    text: async (Key, Bucket = SHOP_BUCKET) =>
      (await (await client.send(new GetObjectCommand({ Bucket, Key }))).Body?.transformToString()) ?? '',
    createBucket,
    removeBucket: (name) => removeBucket(client, name),
    leftovers: () => openUploads(client),
    scratchRoot,
    async close() {
      client.destroy()
      await stop()
      await rm(scratchRoot, { recursive: true, force: true })
    },
  }
}

async function removeBucket(client: S3Client, Bucket: string): Promise<number> {
  const { Versions = [], DeleteMarkers = [] } = await client.send(new ListObjectVersionsCommand({ Bucket }))
  const all = [...Versions, ...DeleteMarkers]
  for (const { Key, VersionId } of all) await client.send(new DeleteObjectCommand({ Bucket, Key, VersionId }))
  await client.send(new DeleteBucketCommand({ Bucket }))
  return all.length
}

/** A shop, and a repository for points of it. */
export async function openBench(start?: () => Promise<Stage>) {
  const shop = await openShop(start)
  const repository = await openRepository()
  const source = () => createSource({ store: repository.store, identityFile: repository.identity.file })
  const place = (name: string, choice: RestoreChoice = {}) => ({ dir: join(shop.scratchRoot, name), choice })
  return {
    shop,
    repository,
    source,
    place,
    /** As the workflow does it. */
    async restoreLive({ live }: SourceDriver, manifest: Manifest, choice: RestoreChoice = {}) {
      if (!live) throw new Error('no live restore')
      const confirm = await live.fingerprint(choice)
      await live.check(manifest, confirm, choice)
      await live.restoreAside(contextFor(), manifest, source(), place('aside', choice))
      return live.swap(manifest, confirm, undefined, { context: contextFor(), source: source(), ...place('swap', choice) })
    },
    async close() {
      await shop.close()
      await rm(repository.dir, { recursive: true, force: true })
    },
  }
}
export type Bench = Awaited<ReturnType<typeof openBench>>
