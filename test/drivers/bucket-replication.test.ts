import {
  CreateBucketCommand,
  PutBucketReplicationCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Access, clientOf, put, SHOP_BUCKET } from '../../scripts/sources/bucket.ts'
import { type MotoServer, startMoto } from '../../scripts/toolbox/moto.ts'
import { contextFor } from '../conformance/driver.ts'
import { driverOn } from '../support/bucket.ts'

// The stand-in answers the calls and replicates nothing: the test does.
let moto: MotoServer
let client: S3Client
let access: Access
beforeAll(async () => {
  moto = await startMoto()
  access = { endpoint: moto.endpoint, caFile: undefined, accessKeyId: 'test', secretAccessKey: 'test' }
  client = clientOf(access)
  for (const Bucket of [SHOP_BUCKET, 'far-away']) {
    await client.send(new CreateBucketCommand({ Bucket }))
    await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }))
  }
  for (const key of ['one', 'two']) await put(client, key, { body: key })
}, 120_000)
afterAll(async () => {
  client?.destroy()
  await moto?.stop()
})

async function replication(): Promise<Record<string, boolean>> {
  const driver = driverOn(access, { replication: { bucket: 'far-away', within: '0s' } })
  const { findings } = await driver.preflight(contextFor())
  expect(findings.filter(({ required, ok }) => required && !ok)).toEqual([])
  return Object.fromEntries(findings.filter(({ name }) => name.startsWith('replication')).map(({ name, ok }) => [name, ok]))
}

it('preflight says whether the bucket replicates, and whether what it replicates has arrived', async () => {
  expect(await replication()).toEqual({ replication: false, 'replication keeps up': false })
  const Rules = [
    { ID: 'all', Status: 'Enabled' as const, Priority: 1, Filter: { Prefix: '' }, Destination: { Bucket: 'arn:aws:s3:::far-away' } },
  ]
  await client.send(
    new PutBucketReplicationCommand({
      Bucket: SHOP_BUCKET,
      ReplicationConfiguration: { Role: 'arn:aws:iam::123456789012:role/copy', Rules },
    }),
  )
  await client.send(new PutObjectCommand({ Bucket: 'far-away', Key: 'one', Body: 'one' }))
  await client.send(new PutObjectCommand({ Bucket: 'far-away', Key: 'two', Body: 'an older two' }))
  expect(await replication()).toEqual({ replication: true, 'replication keeps up': false })
  await client.send(new PutObjectCommand({ Bucket: 'far-away', Key: 'two', Body: 'two' }))
  expect(await replication()).toEqual({ replication: true, 'replication keeps up': true })
})
