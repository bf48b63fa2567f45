/** A bucket on a real S3 server, filled as the sample is. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { S3Client } from '@aws-sdk/client-s3'
import { type Access, bucketContents, clientOf, fillBucket, openUploads, SHOP_BUCKET } from '../../scripts/sources/bucket.ts'
import { startS3 } from '../../scripts/toolbox/s3.ts'
import { bucketSource } from '../../src/drivers/bucket/config.ts'
import { createBucket } from '../../src/drivers/bucket/index.ts'
import type { SourceDriver } from '../../src/drivers/driver.ts'

export interface Shop {
  client: S3Client
  driver(more?: object): SourceDriver
  contents(): Promise<string>
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
    contents: () => bucketContents(client),
    leftovers: () => openUploads(client),
    scratchRoot,
    async close() {
      client.destroy()
      await server.stop()
      await rm(scratchRoot, { recursive: true, force: true })
    },
  }
}
