import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  DeleteObjectCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  PutObjectTaggingCommand,
} from '@aws-sdk/client-s3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { keysOf, put, SHOP_BUCKET } from '../../scripts/sources/bucket.ts'
import type { Manifest } from '../../src/core/records.ts'
import type { SourceDriver, UserAssertion } from '../../src/drivers/driver.ts'
import { pathOf } from '../../src/drivers/bucket/places.ts'
import { contextFor, failures, nextRequest, takePoint } from '../conformance/driver.ts'
import { type Bench, openBench } from '../support/bucket.ts'

const DR = 'shop-dr'
let bench: Bench
let shop: Bench['shop']

const versioned = (Bucket: string, Status: 'Enabled' | 'Suspended' = 'Enabled') =>
  shop.client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status } }))
const remove = (Key: string, VersionId?: string, Bucket = SHOP_BUCKET) =>
  shop.client.send(new DeleteObjectCommand({ Bucket, Key, ...(VersionId !== undefined && { VersionId }) }))
const versionsOf = async (prefix: string) => {
  const { Versions = [], DeleteMarkers = [] } = await shop.client.send(new ListObjectVersionsCommand({ Bucket: DR, Prefix: prefix }))
  return { versions: Versions.length, markers: DeleteMarkers.length, ids: Versions.map(({ VersionId = '' }) => VersionId) }
}
const incremental = (driver: SourceDriver, base: Manifest) =>
  takePoint(driver, bench.repository, { ...nextRequest(), kind: 'incremental', base, baseSource: bench.source() })

async function prove(driver: SourceDriver, manifest: Manifest, depth: 'restore' | 'full' = 'full', assertions: UserAssertion[] = []) {
  const dir = join(shop.scratchRoot, 'proof')
  const { target } = await driver.restore(contextFor(), manifest, bench.source(), { dir })
  const found = await driver.verify(contextFor(), manifest, target, { depth, assertions })
  await driver.destroy({ dir })
  return failures(found).map(({ name }) => name)
}

/** As the store does it by itself, and through this process. */
const WAYS = [
  ['copied by the store', {}, false],
  ['streamed to another one', { accessKeyId: 'other accessKeyId', secretAccessKey: 'other secretAccessKey' }, true],
] as const

describe.each(WAYS)('a bucket %s', (_, keys, digested) => {
  let driver: SourceDriver
  beforeEach(async () => {
    bench = await openBench()
    shop = bench.shop
    await shop.createBucket(DR)
    await versioned(DR)
    driver = shop.driver({ copyTo: { bucket: DR, prefix: 'copies/', ...keys }, copyPartSize: '5MB', partSize: '5MB' })
    await put(shop.client, 'big.bin', { body: Buffer.alloc(12_000_000, 'abcdefg'), metadata: { a: 'b' }, tags: 'c=d' })
  })
  afterEach(() => bench?.close())

  it('is there with metadata and tags, and comes back from there', async () => {
    const before = await shop.contents()
    const manifest = await takePoint(driver, bench.repository, nextRequest())
    expect(manifest.artifacts.map(({ part }) => part)).toEqual(['index'])
    expect(await shop.contents(DR, 'copies/')).toBe(before)
    expect(await prove(driver, manifest)).toEqual([])
    const { ETag } = await shop.client.send(new HeadObjectCommand({ Bucket: DR, Key: 'copies/big.bin' }))
    expect(ETag).toMatch(/-3"$/)
    const options = { dir: join(shop.scratchRoot, 'beside'), promote: true, choice: { parts: ['readme.txt', 'photos/3/'] } }
    const { target } = await driver.restore(contextFor(), manifest, bench.source(), options)
    expect(await readFile(join(target.connection, pathOf('readme.txt')), 'utf8')).toBe('a shop')
    // Only what passed through Holdfast has its digest.
    expect((await readFile(join(target.dir, 'index.ndjson'), 'utf8')).split('"blake3"')).toHaveLength(digested ? 12 : 1)

    await put(shop.client, 'readme.txt', { body: 'a ship' })
    await put(shop.client, 'too-many.txt', { body: 'x' })
    await remove('big.bin')
    await bench.restoreLive(driver, manifest)
    expect(await shop.contents()).toBe(before)
    // Also where the source names copies no more.
    await remove('photos/1/0001.jpg')
    await bench.restoreLive(shop.driver(), manifest)
    expect(await shop.contents()).toBe(before)
    expect(await shop.leftovers()).toEqual([])
  })

  it('copies what changed and nothing else; what is deleted gets a marker, and older points keep what they name', async () => {
    const before = await shop.contents()
    const first = await takePoint(driver, bench.repository, nextRequest())
    const all = (await versionsOf('copies/')).versions
    await put(shop.client, 'readme.txt', { body: 'another shop' })
    await remove('photos/large.bin')
    const tagging = { TagSet: [{ Key: 'album', Value: 'best' }] }
    await shop.client.send(new PutObjectTaggingCommand({ Bucket: SHOP_BUCKET, Key: 'photos/1/0001.jpg', Tagging: tagging }))
    await put(shop.client, 'of-somebody-else', { body: 'x' }, DR)
    await put(shop.client, 'copies/of-somebody-else', { body: 'x' }, DR)
    const second = await incremental(driver, first)
    expect(second.warnings).toEqual([expect.stringContaining('1 objects that neither')])
    expect(await versionsOf('copies/')).toMatchObject({ versions: all + 3, markers: 1 })
    expect(await keysOf(shop.client, DR)).toEqual(expect.arrayContaining(['copies/of-somebody-else', 'of-somebody-else']))
    await remove('copies/of-somebody-else', undefined, DR)
    expect(await shop.contents(DR, 'copies/')).toBe(await shop.contents())
    expect([await prove(driver, first), await prove(driver, second)]).toEqual([[], []])
    await bench.restoreLive(driver, first)
    expect(await shop.contents()).toBe(before)
  })

  it('a try after one that was killed, and a point without a base, copy nothing again that is there', async () => {
    const killed = contextFor(({ phase, parts = 0 }) => phase === 'objects' && parts >= 20)
    await expect(takePoint(driver, bench.repository, nextRequest(), killed)).rejects.toMatchObject({ code: 'CANCELLED' })
    const half = await versionsOf('copies/photos/')
    expect(half.versions).toBeGreaterThan(10)
    const manifest = await takePoint(driver, bench.repository, nextRequest(2))
    expect(await prove(driver, manifest)).toEqual([])
    const all = await versionsOf('copies/photos/')
    expect(all.ids).toEqual(expect.arrayContaining(half.ids))
    expect(new Set(await keysOf(shop.client, DR)).size).toBe(43)
    expect(all.versions).toBe(41)
    await takePoint(driver, bench.repository, nextRequest())
    expect((await versionsOf('copies/photos/')).versions).toBe(41)
  })
})

describe('copies', () => {
  let driver: SourceDriver
  let manifest: Manifest
  beforeEach(async () => {
    bench = await openBench()
    shop = bench.shop
    await shop.createBucket(DR)
    await versioned(DR)
    driver = shop.driver({ copyTo: { bucket: DR } })
    manifest = await takePoint(driver, bench.repository, nextRequest())
  })
  afterEach(() => bench?.close())

  it('a proof finds what is removed, and is not misled by what is written over', async () => {
    const holds = [
      { name: 'readme', key: 'readme.txt', text: 'a shop' },
      { name: 'many', prefix: 'photos/', atLeast: 41 },
    ]
    await put(shop.client, 'readme.txt', { body: 'a ship' }, DR)
    expect(await prove(driver, manifest, 'restore', holds)).toEqual([])
    expect(await prove(driver, manifest, 'full', [{ name: 'other', key: 'readme.txt', text: 'a ship' }])).toEqual(['other'])
    const { ids } = await versionsOf('photos/large.bin')
    await remove('photos/large.bin', ids[0], DR)
    expect(await prove(driver, manifest, 'restore')).toEqual(['objects', 'bytes', 'contents'])
    const before = await shop.contents()
    await put(shop.client, 'readme.txt', { body: 'changed' })
    await expect(bench.restoreLive(driver, manifest)).rejects.toMatchObject({ code: 'INTEGRITY', object: 'photos/large.bin' })
    await put(shop.client, 'readme.txt', { body: 'a shop', type: 'text/plain' })
    expect(await shop.contents()).toBe(before)
  })

  it('a source without versions is copied as well, and comes back as it was', async () => {
    await shop.createBucket('plain')
    await put(shop.client, 'one', { body: 'first', metadata: { a: 'b' } }, 'plain')
    await put(shop.client, 'two', { body: 'second' }, 'plain')
    const plain = shop.driver({ bucket: 'plain', copyTo: { bucket: DR, prefix: 'plain/' } })
    const before = await shop.contents('plain')
    const first = await takePoint(plain, bench.repository, nextRequest())
    await put(shop.client, 'one', { body: 'first, changed' }, 'plain')
    await remove('two', undefined, 'plain')
    const second = await incremental(plain, first)
    expect([await prove(plain, first), await prove(plain, second)]).toEqual([[], []])
    expect(await versionsOf('plain/')).toMatchObject({ versions: 3, markers: 1 })
    await bench.restoreLive(plain, first)
    expect(await shop.contents('plain')).toBe(before)
  })

  it('a bucket for copies without versions, or the source itself, is refused before a backup', async () => {
    const refused = async (bucket: string) => {
      const { findings } = await shop.driver({ copyTo: { bucket } }).preflight(contextFor())
      return findings.filter(({ required, ok }) => required && !ok).map(({ name }) => name)
    }
    expect(await refused(DR)).toEqual([])
    expect(await refused(SHOP_BUCKET)).toEqual(['copyTo'])
    await versioned(DR, 'Suspended')
    expect(await refused(DR)).toEqual(['copyTo'])
  })
})
