import { DeleteObjectCommand } from '@aws-sdk/client-s3'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { put, SHOP_BUCKET } from '../../scripts/sources/bucket.ts'
import { HoldfastError } from '../../src/core/errors.ts'
import type { Manifest } from '../../src/core/records.ts'
import { changeLines } from '../../src/drivers/difference.ts'
import type { RestoreChoice, SourceDriver } from '../../src/drivers/driver.ts'
import { readAll } from '../../src/storage/store.ts'
import { contextFor, nextRequest, takePoint } from '../conformance/driver.ts'
import { type Bench, openBench } from '../support/bucket.ts'

let bench: Bench
let shop: Bench['shop']
let driver: SourceDriver
let manifest: Manifest
beforeEach(async () => {
  bench = await openBench()
  ;({ shop } = bench)
  driver = shop.driver({ exclude: ['cache/'] })
  manifest = await takePoint(driver, bench.repository, nextRequest())
})
afterEach(() => bench?.close())

async function look(choice: RestoreChoice = {}) {
  const found = await driver.diff?.(manifest, choice, { context: contextFor(), source: bench.source() })
  if (!found) throw new Error('the driver compares nothing')
  return { found, lines: changeLines(found) }
}

/** As somebody might leave it: less, more, and other bytes. */
async function harm(): Promise<void> {
  await put(shop.client, 'readme.txt', { body: 'an entirely other text' })
  await put(shop.client, 'photos/1/0001.jpg', { body: 'PHOTO 1 '.repeat(50) })
  await put(shop.client, 'photos/added.jpg', { body: 'added' })
  await put(shop.client, 'cache/added.jpg', { body: 'none of ours' })
  await shop.client.send(new DeleteObjectCommand({ Bucket: SHOP_BUCKET, Key: 'photos/large.bin' }))
}

it('what a restore would change in the bucket is told by key, size and ETag, and nothing is written', async () => {
  expect((await look()).lines).toEqual([])
  await harm()
  const before = await shop.contents()
  const { found, lines } = await look()
  expect(lines).toEqual([
    '~ photos/1/0001.jpg  (another ETag)',
    '- photos/added.jpg',
    '+ photos/large.bin',
    expect.stringMatching(/^~ readme\.txt {2}\(22 bytes instead of \d+\)$/),
  ])
  expect(found).toMatchObject({ target: expect.stringContaining(`the live bucket ${SHOP_BUCKET}`), added: 1, changed: 2, removed: 1 })
  expect(await shop.contents()).toBe(before)
  await bench.restoreLive(driver, manifest)
  expect(await look()).toMatchObject({ lines: [], found: { same: found.same + 3 } })
})

it('of chosen keys and with upsert nothing would be removed; a key that the point has not is refused', async () => {
  await harm()
  expect((await look({ parts: ['photos/'] })).lines).toEqual(['~ photos/1/0001.jpg  (another ETag)', '+ photos/large.bin'])
  expect((await look({ mode: 'upsert' })).found).toMatchObject({ removed: 0, added: 1, changed: 2 })
  expect((await look({ parts: ['photos/'], mode: 'replace' })).found).toMatchObject({ removed: 1 })
  for (const part of ['nowhere/', 'photos/added.jpg'])
    await expect(look({ parts: [part] })).rejects.toMatchObject({ code: 'NOT_FOUND', object: part })
})

it('a live bucket that is gone, refuses the keys or is not trusted is what is named: no repository is at fault', async () => {
  const failed = async (more: object) => {
    driver = shop.driver({ exclude: ['cache/'], ...more })
    return look().then(
      () => undefined,
      (error: HoldfastError) => error,
    )
  }
  expect(await failed({ bucket: 'nowhere' })).toMatchObject({
    code: 'SOURCE_UNFIT',
    object: 'nowhere',
    message: expect.stringContaining('NoSuchBucket'),
    next: 'create the bucket, or correct its name',
  })
  expect(await failed({ secretAccessKey: 'accessKeyId' })).toMatchObject({
    code: 'SOURCE_UNFIT',
    object: SHOP_BUCKET,
    message: expect.stringContaining(`the bucket ${SHOP_BUCKET} at `),
    next: expect.stringContaining('rights that the README of the driver names'),
  })
  expect(await failed({ caFile: undefined })).toMatchObject({
    code: 'SOURCE_UNREACHABLE',
    object: SHOP_BUCKET,
    retryable: false,
    next: expect.stringMatching(/^set caFile to /),
  })
})

it('a repository that fails meanwhile is the repository: another one may give the point', async () => {
  for (const code of ['STORE_UNREACHABLE', 'STORE_DENIED'] as const) {
    const read = async () => {
      throw new HoldfastError(code, 'the repository has other things to do', { object: 'hot' })
    }
    const looked = driver.diff?.(manifest, {}, { context: contextFor(), source: { ...bench.source(), read } })
    await expect(looked).rejects.toMatchObject({ code, object: 'hot' })
  }
})

it('an index that cannot be read whole is no answer', async () => {
  const { store } = bench.repository
  const key = manifest.artifacts.find(({ part }) => part === 'index')?.key ?? ''
  store.overwrite(key, (await readAll(store, key)).subarray(0, -1))
  await expect(look()).rejects.toMatchObject({ code: 'INTEGRITY' })
})
