import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  DeleteObjectCommand,
  HeadObjectCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketVersioningCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { put, SHOP_BUCKET } from '../../scripts/sources/bucket.ts'
import type { Manifest } from '../../src/core/records.ts'
import type { RestoreChoice, SourceDriver } from '../../src/drivers/driver.ts'
import { pathOf } from '../../src/drivers/bucket/places.ts'
import { contextFor, nextRequest, takePoint } from '../conformance/driver.ts'
import { type Bench, openBench, standIn } from '../support/bucket.ts'

let bench: Bench
let shop: Bench['shop']
let driver: SourceDriver
/** Taken first: what came later is in no point. */
let manifest: Manifest
beforeAll(async () => {
  bench = await openBench(standIn)
  shop = bench.shop
  driver = shop.driver({ copyPartSize: '5MB' })
  manifest = await takePoint(driver, bench.repository, nextRequest())
})
afterAll(() => bench?.close())

const remove = (Key: string) => shop.client.send(new DeleteObjectCommand({ Bucket: SHOP_BUCKET, Key }))
const restoreLive = (choice: RestoreChoice) => bench.restoreLive(driver, manifest, choice)
const keysIn = (contents: string) => contents.split('\n').map((line) => (JSON.parse(line) as [string])[0])

/** The store's time, in whole seconds; what is written from now on is later. */
async function moment(): Promise<string> {
  const tick = async () => {
    await put(shop.client, 'clock', { body: '' })
    const { LastModified } = await shop.client.send(new HeadObjectCommand({ Bucket: SHOP_BUCKET, Key: 'clock' }))
    return LastModified?.toISOString() ?? ''
  }
  const first = await tick()
  for (let now = first; ; now = await tick()) if (now > first) return first.replace('.000Z', '.999+00:00')
}

it('single objects and prefixes come back as they were at a time that no point is of', async () => {
  await put(shop.client, 'readme.txt', { body: 'between', type: 'text/x-readme', metadata: { by: 'ana' }, tags: 'state=draft' })
  await put(shop.client, 'big/one.bin', { body: Buffer.alloc(12_000_000, 'abcdefg'), metadata: { a: 'b' }, tags: 'c=d' })
  const then = await moment()
  const before = await shop.contents()
  await put(shop.client, 'readme.txt', { body: 'too late' })
  await put(shop.client, 'photos/added.jpg', { body: 'added' })
  for (const key of ['big/one.bin', 'photos/3/0003.jpg', 'photos/2/0002.jpg']) await remove(key)

  const parts = ['readme.txt', 'big/', 'photos/3/']
  const { target } = await driver.restore(contextFor(), manifest, bench.source(), {
    dir: join(shop.scratchRoot, 'beside'),
    choice: { to: then, parts },
  })
  expect(await readFile(join(target.connection, pathOf('readme.txt')), 'utf8')).toBe('between')
  expect((await readFile(join(target.dir, 'index.ndjson'), 'utf8')).split('\n').filter(Boolean)).toHaveLength(12)

  await restoreLive({ to: then, parts })
  const some = await shop.contents()
  for (const part of parts)
    expect(some.split('\n').filter((line) => line.startsWith(`["${part}`))).toEqual(
      before.split('\n').filter((line) => line.startsWith(`["${part}`)),
    )
  expect(keysIn(some)).toContain('photos/added.jpg')
  expect(keysIn(some)).not.toContain('photos/2/0002.jpg')

  await shop.createBucket('other')
  await restoreLive({ to: then, into: 'other/then/', parts: ['photos/2/'] })
  expect(await shop.contents('other', 'then/')).toBe(
    before
      .split('\n')
      .filter((line) => line.startsWith('["photos/2/'))
      .join('\n'),
  )

  await restoreLive({ to: then })
  const whole = (contents: string) => contents.split('\n').filter((line) => !line.startsWith('["clock"'))
  expect(whole(await shop.contents())).toEqual(whole(before))
  expect(keysIn(before)).not.toContain('gone.txt')
  expect(await shop.leftovers()).toEqual([])
})

it('of many versions of a key the one of that time comes back', async () => {
  const at = new Map<string, string>()
  for (let round = 0; round < 3; round += 1) {
    for (let first = 0; first < 360; first += 20)
      await Promise.all(Array.from({ length: 20 }, (_, number) => put(shop.client, `busy/${number}`, { body: `${round}` })))
    // In one second with its last version, the object counts.
    await moment()
    await remove('busy/7')
    if (round === 1) await put(shop.client, 'busy/7', { body: 'again' })
    at.set(`${round}`, await moment())
  }
  for (const [round, to] of at) {
    await restoreLive({ to, parts: ['busy/'], mode: 'replace' })
    const bodies = await Promise.all(keysIn(await shop.contents(SHOP_BUCKET, 'busy/')).map((key) => shop.text(`busy/${key}`)))
    expect(bodies.filter((body) => body === round)).toHaveLength(19)
    expect(bodies.filter((body) => body === 'again')).toHaveLength(round === '1' ? 1 : 0)
  }
})

it('a time that nothing is known of is refused, and changes nothing', async () => {
  await moment()
  const before = await shop.contents()
  const refused = async (choice: RestoreChoice, code: string, why: string) =>
    expect(restoreLive(choice)).rejects.toMatchObject({ code, message: expect.stringContaining(why) })
  await refused({ to: '2020-01-01T00:00:00+01:00' }, 'TARGET_OUT_OF_RANGE', 'oldest version')
  await refused({ to: 'latest' }, 'INPUT_INVALID', 'no time')
  await refused({ to: '2999-01-01T00:00:00Z' }, 'TARGET_OUT_OF_RANGE', 'yet to come')
  const to = await moment()
  await put(shop.client, 'young.txt', { body: 'young' })
  await refused({ to, parts: ['young.txt'] }, 'TARGET_OUT_OF_RANGE', 'young.txt')
  await refused({ to, parts: ['nobody.txt'] }, 'NOT_FOUND', 'nobody.txt')
  await remove('young.txt')
  const days = (NoncurrentDays: number) => ({
    Rules: [{ ID: 'old', Status: 'Enabled' as const, Filter: { Prefix: '' }, NoncurrentVersionExpiration: { NoncurrentDays } }],
  })
  await shop.client.send(new PutBucketLifecycleConfigurationCommand({ Bucket: SHOP_BUCKET, LifecycleConfiguration: days(30) }))
  await refused({ to: new Date(Date.now() - 40 * 24 * 3600 * 1000).toISOString() }, 'TARGET_OUT_OF_RANGE', '30 days')
  const suspended = { Bucket: SHOP_BUCKET, VersioningConfiguration: { Status: 'Suspended' } } as const
  await shop.client.send(new PutBucketVersioningCommand(suspended))
  await refused({ to }, 'SOURCE_UNFIT', 'versioning')
  expect(await shop.contents()).toBe(before)
})
