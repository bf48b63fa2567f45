/** A bucket on a real S3 server, filled as the sample is. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DeleteBucketCommand, DeleteObjectCommand, ListObjectVersionsCommand, type S3Client } from '@aws-sdk/client-s3'
import { type Access, bucketContents, clientOf, fillBucket, openUploads, SHOP_BUCKET } from '../../scripts/sources/bucket.ts'
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
  const secret = async (reference: string) => keys[reference as keyof typeof keys]
  return createBucket({ config, wiring: { source: 'orders', secret } })
}

export async function openShop(): Promise<Shop> {
  const server = await startS3()
  const { endpoint, caFile, accessKeyId, secretAccessKey } = server
  const access: Access = { endpoint, caFile, accessKeyId, secretAccessKey }
  await server.createBucket(SHOP_BUCKET)
  const client = clientOf(access)
  await fillBucket(client)
  const scratchRoot = await mkdtemp(join(tmpdir(), 'holdfast-scratch-'))
  return {
    client,
    driver: (more = {}) => driverOn(access, more),
    contents: (bucket, below) => bucketContents(client, bucket, below),
    createBucket: (name) => server.createBucket(name),
    removeBucket: (name) => removeBucket(client, name),
    leftovers: () => openUploads(client),
    scratchRoot,
    async close() {
      client.destroy()
      await server.stop()
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
export async function openBench() {
  const shop = await openShop()
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
      const confirm = await live.fingerprint()
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
