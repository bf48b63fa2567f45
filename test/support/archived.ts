/** A bucket of the stand-in for what no S3 server on this machine has: storage classes that have to be thawed. */
import { CreateBucketCommand, PutBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3'
import { type MotoServer, startMoto } from '../../scripts/toolbox/moto.ts'
import { createRetryingStore } from '../../src/storage/retrying.ts'
import { createS3Store } from '../../src/storage/s3.ts'
import type { S3Options } from '../../src/storage/s3-client.ts'
import type { Store } from '../../src/storage/store.ts'

export const ACCESS = { accessKeyId: 'test', secretAccessKey: 'test' }

export interface ArchivingS3 {
  endpoint: string
  client: S3Client
  createBucket(name: string, options?: { versions?: boolean; locks?: boolean }): Promise<void>
  open(bucket: string, more?: Partial<S3Options>): Store
  /** From now on what is asked for can be read after so many looks. */
  thawAfter(looks: number): Promise<void>
  /** What was asked for cannot be read before it is released. */
  hold(): void
  release(): void
  stop(): Promise<void>
}

export async function startArchivingS3(): Promise<ArchivingS3> {
  const moto: MotoServer = await startMoto()
  const { endpoint } = moto
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials: ACCESS })
  let held = false
  // The stand-in calls an object readable until its thaw has begun.
  const holding = (store: Store): Store => ({
    ...store,
    async head(key) {
      const info = await store.head(key)
      return info?.thaw === 'readable' && held ? { ...info, thaw: 'asked' } : info
    },
  })
  return {
    endpoint,
    client,
    async createBucket(Bucket, { versions = false, locks = false } = {}) {
      await client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: locks }))
      if (versions) await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }))
    },
    open: (bucket, more = {}) =>
      holding(
        createRetryingStore(createS3Store({ bucket, region: 'us-east-1', prefix: 'kept here', endpoint, credentials: ACCESS, ...more }), {
          firstPauseMs: 10,
          attempts: 2,
        }),
      ),
    async thawAfter(times) {
      const body = JSON.stringify({ model_name: 's3::keyrestore', transition: { progression: 'manual', times } })
      const reply = await fetch(`${endpoint}/moto-api/state-manager/set-transition`, { method: 'POST', body })
      if (!reply.ok) throw new Error(`${reply.status} ${await reply.text()}`)
    },
    hold() {
      held = true
    },
    release() {
      held = false
    },
    async stop() {
      client.destroy()
      await moto.stop()
    },
  }
}
