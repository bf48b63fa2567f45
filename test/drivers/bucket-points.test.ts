import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DeleteObjectCommand, PutObjectTaggingCommand } from '@aws-sdk/client-s3'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { put, SHOP_BUCKET } from '../../scripts/sources/bucket.ts'
import type { Manifest } from '../../src/core/records.ts'
import type { RestoreChoice, SourceDriver } from '../../src/drivers/driver.ts'
import { pathOf } from '../../src/drivers/bucket/places.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { contextFor, failures, nextRequest, takePoint } from '../conformance/driver.ts'
import { type Bench, openBench } from '../support/bucket.ts'

let bench: Bench
let shop: Bench['shop']
let repository: Bench['repository']
let driver: SourceDriver
beforeEach(async () => {
  bench = await openBench()
  ;({ shop, repository } = bench)
  driver = shop.driver()
})
afterEach(() => bench?.close())

const source = () => bench.source()
const incremental = (base: Manifest, baseSource = source()) =>
  takePoint(driver, repository, { ...nextRequest(), kind: 'incremental', base, baseSource })
const restoreLive = (manifest: Manifest, choice?: RestoreChoice) => bench.restoreLive(driver, manifest, choice)

it('an incremental stores only what is new, takes over the packs that it still needs, and restores by itself', async () => {
  const full = await takePoint(driver, repository, nextRequest())
  await put(shop.client, 'photos/new.jpg', { body: 'new' })
  await put(shop.client, 'readme.txt', { body: 'another shop' })
  await shop.client.send(new DeleteObjectCommand({ Bucket: SHOP_BUCKET, Key: 'photos/large.bin' }))
  const tagging = { TagSet: [{ Key: 'album', Value: 'best' }] }
  await shop.client.send(new PutObjectTaggingCommand({ Bucket: SHOP_BUCKET, Key: 'photos/1/0001.jpg', Tagging: tagging }))
  const then = await shop.contents()
  const second = await incremental(full)

  const own = second.artifacts.filter(({ key }) => key.includes(second.id))
  expect(own.filter(({ role }) => role === 'pack').map(({ plainBytes }) => plainBytes)).toEqual(['newanother shop'.length])
  const taken = second.artifacts.filter(({ key }) => key.includes(full.id)).map(({ key }) => key)
  expect(taken.length).toBeGreaterThan(0)
  expect(taken.length).toBeLessThan(full.artifacts.length - 1)
  expect(second.warnings).toEqual([])

  const { target } = await driver.restore(contextFor(), second, source(), { dir: join(shop.scratchRoot, 'second') })
  expect(failures(await driver.verify(contextFor(), second, target, { depth: 'full', assertions: [] }))).toEqual([])
  for (const Key of ['photos/new.jpg', 'photos/2/0002.jpg', 'readme.txt'])
    await shop.client.send(new DeleteObjectCommand({ Bucket: SHOP_BUCKET, Key }))
  await restoreLive(second)
  expect(await shop.contents()).toBe(then)
})

it('a worker without an identity stores everything anew, and says so', async () => {
  const full = await takePoint(driver, repository, nextRequest())
  const second = await incremental(full, createSource({ store: repository.store }))
  expect(second.warnings).toEqual([expect.stringContaining('no identity')])
  expect(second.artifacts.filter(({ key }) => key.includes(full.id))).toEqual([])
  expect(second.sizeBytes).toBe(full.sizeBytes)
})

it('a restore over the bucket brings back bytes, metadata and tags, deletes what is too many, and leaves the rest as it is', async () => {
  const before = await shop.contents()
  const manifest = await takePoint(driver, repository, nextRequest())
  await put(shop.client, 'readme.txt', { body: 'a ship' })
  // The same bytes: only what is beside them differs.
  await put(shop.client, 'photos/1/0001.jpg', { body: 'photo 1 '.repeat(50), type: 'image/png' })
  await put(shop.client, 'photos/added.jpg', { body: 'added' })
  await shop.client.send(new DeleteObjectCommand({ Bucket: SHOP_BUCKET, Key: 'photos/large.bin' }))
  const { notes } = await restoreLive(manifest)
  expect(await shop.contents()).toBe(before)
  expect(notes).toEqual([expect.stringContaining('older versions')])
  expect(await shop.leftovers()).toEqual([])
})

it('large objects are written in parts, and no upload is left open', async () => {
  driver = shop.driver({ partSize: '5MB' })
  await put(shop.client, 'big.bin', { body: Buffer.alloc(12_000_000, 'abcdefg'), type: 'text/x-big', metadata: { a: 'b' }, tags: 'c=d' })
  const before = await shop.contents()
  const manifest = await takePoint(driver, repository, nextRequest())
  expect(manifest.artifacts.find(({ plainBytes }) => plainBytes === 12_000_000)).toBeDefined()
  await shop.client.send(new DeleteObjectCommand({ Bucket: SHOP_BUCKET, Key: 'big.bin' }))
  await restoreLive(manifest)
  expect(await shop.contents()).toBe(before)
  expect(await shop.leftovers()).toEqual([])
})

it('single keys and prefixes are restored beside, and into the bucket without touching anything else', async () => {
  const manifest = await takePoint(driver, repository, nextRequest())
  const parts = ['readme.txt', 'photos/3/']
  const { target } = await driver.restore(contextFor(), manifest, source(), { dir: join(shop.scratchRoot, 'some'), choice: { parts } })
  expect(await readFile(join(target.connection, pathOf('readme.txt')), 'utf8')).toBe('a shop')
  expect((await readFile(join(target.dir, 'index.ndjson'), 'utf8')).split('\n').filter(Boolean)).toHaveLength(11)

  const missing = driver.restore(contextFor(), manifest, source(), { dir: join(shop.scratchRoot, 'none'), choice: { parts: ['nope/'] } })
  await expect(missing).rejects.toMatchObject({ code: 'NOT_FOUND' })

  await put(shop.client, 'readme.txt', { body: 'a ship' })
  await put(shop.client, 'photos/3/added.jpg', { body: 'added' })
  await put(shop.client, 'photos/1/added.jpg', { body: 'added' })
  await restoreLive(manifest, { parts })
  const keys = (await shop.contents()).split('\n').map((line) => (JSON.parse(line) as [string])[0])
  expect(keys).toEqual(expect.arrayContaining(['photos/3/added.jpg', 'photos/1/added.jpg', 'readme.txt']))
  await restoreLive(manifest, { parts, mode: 'replace' })
  const after = await shop.contents()
  expect(after).not.toContain('photos/3/added.jpg')
  expect(after).toContain('photos/1/added.jpg')
})

it('a restore that nobody confirmed, a bucket that is not empty and a damaged pack change nothing', async () => {
  const manifest = await takePoint(driver, repository, nextRequest())
  await put(shop.client, 'readme.txt', { body: 'a ship' })
  const before = await shop.contents()
  await expect(driver.live?.check(manifest, 'another')).rejects.toMatchObject({ code: 'CONFIRM_MISMATCH' })
  await expect(restoreLive(manifest, { mode: 'empty' })).rejects.toMatchObject({ code: 'SOURCE_UNFIT' })
  const damaged = {
    ...manifest,
    artifacts: manifest.artifacts.map((one) => (one.role === 'pack' ? { ...one, blake3: '0'.repeat(64) } : one)),
  }
  await expect(restoreLive(damaged)).rejects.toMatchObject({ code: 'INTEGRITY' })
  expect(await shop.contents()).toBe(before)
})

it('a restore that is cancelled while it reads has changed nothing, and says that it was cancelled', async () => {
  const manifest = await takePoint(driver, repository, nextRequest())
  const before = await shop.contents()
  const context = contextFor(({ phase }) => phase.startsWith('pack-'))
  await expect(driver.live?.restoreAside(context, manifest, source(), bench.place('aside'))).rejects.toMatchObject({ code: 'CANCELLED' })
  expect(await shop.contents()).toBe(before)
})
