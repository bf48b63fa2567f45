import { join } from 'node:path'
import { DeleteObjectCommand } from '@aws-sdk/client-s3'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createBackupActivities } from '../../activities/backup.ts'
import type { Services } from '../../activities/services.ts'
import { put, SHOP_BUCKET } from '../../scripts/sources/bucket.ts'
import { readStaged } from '../../src/catalog/staged.ts'
import type { Artifact, Manifest } from '../../src/core/records.ts'
import type { ArtifactSource, SourceDriver } from '../../src/drivers/driver.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { contextFor, failures, nextRequest, takePoint } from '../conformance/driver.ts'
import { inActivity } from '../support/activity.ts'
import { type Bench, openBench } from '../support/bucket.ts'
import { catalogOn } from '../support/catalog.ts'

let bench: Bench
let shop: Bench['shop']
let driver: SourceDriver
beforeEach(async () => {
  bench = await openBench()
  shop = bench.shop
  driver = shop.driver({ packSize: '64kB', concurrency: 1 })
})
afterEach(() => bench?.close())

const request = nextRequest()
let kept: Artifact | undefined

/** One more try of the same run: stopped once it has packed so many objects, or never. */
function tryOnce(attempt: number, stopAt = Number.POSITIVE_INFINITY, source: ArtifactSource = bench.source()): Promise<Manifest> {
  const context = contextFor(({ phase, parts = 0 }) => phase === 'objects' && parts >= stopAt)
  const earlier = kept && { kept: { checkpoint: kept, source } }
  const keep = (checkpoint: Artifact) => {
    kept = checkpoint
  }
  return takePoint(driver, bench.repository, { ...request, attempt, keep, ...earlier }, context)
}

/** Keys of later tries have their number. */
const tryOf = (key: string) => Number(/\.(\d+)\.zst/.exec(key)?.[1] ?? 1)
const packsOf = ({ artifacts }: Manifest, attempt: number) =>
  artifacts.filter(({ role, key }) => role === 'pack' && tryOf(key) === attempt).map(({ part }) => part)

async function prove(manifest: Manifest): Promise<void> {
  const dir = join(shop.scratchRoot, 'proof')
  const { target } = await driver.restore(contextFor(), manifest, bench.source(), { dir })
  expect(failures(await driver.verify(contextFor(), manifest, target, { depth: 'full', assertions: [] }))).toEqual([])
  await driver.destroy({ dir })
}

it('a capture that was killed goes on after the packs that it had stored, also the third time', async () => {
  kept = undefined
  await expect(tryOnce(1, 15)).rejects.toMatchObject({ code: 'CANCELLED' })
  expect(kept).toBeDefined()
  const first = kept
  await expect(tryOnce(2, 30)).rejects.toMatchObject({ code: 'CANCELLED' })
  expect(kept).not.toEqual(first)
  const before = await shop.contents()
  const manifest = await tryOnce(3)
  const counts = [1, 2, 3].map((attempt) => packsOf(manifest, attempt).length)
  for (const count of counts) expect(count).toBeGreaterThan(0)
  const names = [1, 2, 3].flatMap((attempt) => packsOf(manifest, attempt))
  expect(new Set(names).size).toBe(names.length)
  expect(manifest.artifacts.filter(({ role }) => role === 'checkpoint')).toEqual([])
  const packed = manifest.artifacts.filter(({ role }) => role === 'pack').reduce((sum, { plainBytes = 0 }) => sum + plainBytes, 0)
  expect(packed).toBe(manifest.sizeBytes)
  await prove(manifest)
  for (const Key of ['photos/0/0004.jpg', 'photos/2/0018.jpg', 'readme.txt'])
    await shop.client.send(new DeleteObjectCommand({ Bucket: SHOP_BUCKET, Key }))
  await bench.restoreLive(driver, manifest)
  expect(await shop.contents()).toBe(before)
})

it('the steps of a backup hand on what was kept, by their heartbeats', async () => {
  const { store, identity } = bench.repository
  const catalog = catalogOn(store)
  const services = {
    config: {
      sources: { orders: { driver: 'bucket', repository: 'hot' } },
      encryption: { recipients: [identity.recipient], identityFile: identity.file },
    },
    store: async () => store,
    catalog: async () => catalog,
    driver: async () => driver,
    repositoryDriver: async () => driver,
    limits: () => ({}),
  } as unknown as Services
  const { dump } = createBackupActivities(services)
  const id = await catalog.reserveId('orders', 'manual', new Date(), 'run')
  const input = { source: 'orders', id, kind: 'manual' } as const
  const stopping = new AbortController()
  let last: unknown
  const heartbeat = (details: unknown) => {
    last = details
    if ((details as { checkpoint?: unknown }).checkpoint) stopping.abort(new Error('stopped by the test'))
  }
  await expect(inActivity(() => dump(input), 1, { heartbeat, signal: stopping.signal })).rejects.toMatchObject({ code: 'CANCELLED' })
  const { attempt, digest } = await inActivity(() => dump(input), 2, { heartbeatDetails: last })
  const { artifacts } = await readStaged(store, { source: 'orders', id, attempt, digest })
  expect(new Set(artifacts.map(({ key }) => tryOf(key)))).toEqual(new Set([1, 2]))
})

it('what changed between the tries is packed anew, what was deleted is not in the point', async () => {
  kept = undefined
  await expect(tryOnce(1, 25)).rejects.toMatchObject({ code: 'CANCELLED' })
  await put(shop.client, 'photos/0/0004.jpg', { body: 'changed' })
  await shop.client.send(new DeleteObjectCommand({ Bucket: SHOP_BUCKET, Key: 'photos/0/0008.jpg' }))
  const manifest = await tryOnce(2)
  expect(packsOf(manifest, 1).length).toBeGreaterThan(0)
  expect(manifest.fileCount).toBe(41)
  await prove(manifest)
  const now = await shop.contents()
  await put(shop.client, 'photos/0/0004.jpg', { body: 'changed once more' })
  await bench.restoreLive(driver, manifest)
  expect(await shop.contents()).toBe(now)
})

it('a worker that cannot read what was kept packs all of it anew', async () => {
  kept = undefined
  await expect(tryOnce(1, 25)).rejects.toMatchObject({ code: 'CANCELLED' })
  const manifest = await tryOnce(2, undefined, createSource({ store: bench.repository.store }))
  expect(packsOf(manifest, 1)).toEqual([])
  await prove(manifest)
})
