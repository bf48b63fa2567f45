import { afterEach, beforeEach, expect, it } from 'vitest'
import { keysOf, put, SHOP_BUCKET } from '../../scripts/sources/bucket.ts'
import type { Manifest } from '../../src/core/records.ts'
import type { RestoreChoice, SourceDriver } from '../../src/drivers/driver.ts'
import { contextFor, nextRequest, takePoint } from '../conformance/driver.ts'
import { type Bench, openBench } from '../support/bucket.ts'

let bench: Bench
let shop: Bench['shop']
let driver: SourceDriver
let manifest: Manifest
beforeEach(async () => {
  bench = await openBench()
  shop = bench.shop
  driver = shop.driver()
  manifest = await takePoint(driver, bench.repository, nextRequest())
})
afterEach(() => bench?.close())

const restoreLive = (choice: RestoreChoice) => bench.restoreLive(driver, manifest, choice)

it('a point goes below a prefix of the bucket, and touches nothing else', async () => {
  const before = await shop.contents()
  await put(shop.client, 'zz', { body: 'after the point' })
  await restoreLive({ into: `${SHOP_BUCKET}/restored/` })
  expect(await shop.contents(SHOP_BUCKET, 'restored/')).toBe(before)
  const rest = (await shop.contents()).split('\n').filter((line) => !line.startsWith('["restored/'))
  expect(rest.slice(0, -1).join('\n')).toBe(before)
  expect(rest.at(-1)).toContain('"zz"')
})

it('elsewhere, what is there already is refused, written over or deleted as asked', async () => {
  await shop.createBucket('other')
  await put(shop.client, 'photos/3/mine.jpg', { body: 'mine' }, 'other')
  await put(shop.client, 'photos/1/mine.jpg', { body: 'mine' }, 'other')
  const before = await shop.contents('other')
  const choice = { into: 'other', parts: ['photos/3/'] }
  await expect(restoreLive(choice)).rejects.toMatchObject({ code: 'SOURCE_UNFIT', message: expect.stringContaining('mine.jpg') })
  expect(await shop.contents('other')).toBe(before)

  await restoreLive({ ...choice, mode: 'upsert' })
  expect(await keysOf(shop.client, 'other')).toHaveLength(12)
  await restoreLive({ ...choice, mode: 'replace' })
  expect(await keysOf(shop.client, 'other')).toHaveLength(11)
  expect(await keysOf(shop.client, 'other')).toContain('photos/1/mine.jpg')
  expect(await shop.contents('other', 'photos/3/')).toBe(await shop.contents(SHOP_BUCKET, 'photos/3/'))
})

it('what would be replaced elsewhere is confirmed as what it is: the source has another fingerprint', async () => {
  await shop.createBucket('other')
  await put(shop.client, 'mine.txt', { body: 'mine' }, 'other')
  const before = await shop.contents('other')
  const ofSource = (await driver.live?.fingerprint()) ?? ''
  const context = contextFor()
  for (const choice of [
    { into: 'other', mode: 'replace' },
    { into: 'other/deep/', mode: 'upsert' },
  ] as const) {
    const refusal = { code: 'CONFIRM_MISMATCH', object: expect.stringContaining(`/${choice.into}`) }
    await expect(driver.live?.check(manifest, ofSource, choice)).rejects.toMatchObject(refusal)
    const filling = { context, source: bench.source(), ...bench.place('swap', choice) }
    await expect(driver.live?.swap(manifest, ofSource, undefined, filling)).rejects.toMatchObject(refusal)
  }
  expect(await shop.contents('other')).toBe(before)
})

it('no restore goes over a repository, or over the copies that points name, whoever confirms it', async () => {
  await shop.createBucket('other')
  await put(shop.client, 'backups/holdfast/v1/orders/20260101_000000_full/manifest.json', { body: '{}' }, 'other')
  const before = await shop.contents('other')
  for (const into of ['other', 'other/backups/', 'other/backups/holdfast/v1/'])
    await expect(restoreLive({ into, mode: 'replace' })).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      message: expect.stringContaining('repository of Holdfast'),
    })
  expect(await shop.contents('other')).toBe(before)
  const copying = shop.driver({ copyTo: { bucket: 'other' } })
  await expect(bench.restoreLive(copying, manifest, { into: 'other/deep/', mode: 'upsert' })).rejects.toMatchObject({
    code: 'INPUT_INVALID',
    message: expect.stringContaining('its copyTo'),
  })
})

it('a restore into an empty place that was killed goes on over what it had written itself', async () => {
  await shop.createBucket('other')
  const confirm = (await driver.live?.fingerprint()) ?? ''
  const swap = (context = contextFor()) =>
    driver.live?.swap(manifest, confirm, undefined, { context, source: bench.source(), ...bench.place('swap', { into: 'other' }) })
  await expect(swap(contextFor(({ phase, parts = 0 }) => phase.startsWith('pack-') && parts > 5))).rejects.toMatchObject({
    code: 'CANCELLED',
  })
  expect((await keysOf(shop.client, 'other')).length).toBeGreaterThan(0)
  await swap()
  expect(await shop.contents('other')).toBe(await shop.contents())
})

it('a bucket that is lost is restored into another one', async () => {
  const before = await shop.contents()
  const versions = await shop.removeBucket(SHOP_BUCKET)
  expect(versions).toBeGreaterThan(0)
  await expect(driver.live?.fingerprint()).resolves.toMatch(/#absent$/)
  await expect(restoreLive({ into: 'nowhere' })).rejects.toMatchObject({
    code: 'NOT_FOUND',
    next: expect.stringContaining('create the bucket'),
  })
  await shop.createBucket('new-shop')
  await restoreLive({ into: 'new-shop' })
  expect(await shop.contents('new-shop')).toBe(before)
})

it('a key that has no room below a prefix is refused before anything is written', async () => {
  const choice = { into: `${SHOP_BUCKET}/${'deep/'.repeat(203)}`, parts: ['readme.txt'] }
  await expect(restoreLive(choice)).rejects.toMatchObject({ code: 'INPUT_INVALID', object: 'readme.txt' })
  await expect(restoreLive({ into: '/restored' })).rejects.toMatchObject({ code: 'INPUT_INVALID', object: 'into' })
})
