/** Objects moved between storage classes, on the stand-in for S3 that has them. */
import { CopyObjectCommand, ListObjectVersionsCommand, PutObjectRetentionCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { crc32Of } from '../../../src/storage/crc.ts'
import { readAll, type Classes, type Store } from '../../../src/storage/store.ts'
import { type ArchivingS3, startArchivingS3 } from '../../support/archived.ts'

let s3: ArchivingS3
beforeAll(async () => {
  s3 = await startArchivingS3()
  await s3.createBucket('plain')
  await s3.createBucket('versions', { versions: true })
  await s3.createBucket('locks', { locks: true })
})
afterAll(async () => s3?.stop())

const KEY = 'holdfast/v1/orders/data/a+b=%41.zst'
const classesOf = ({ classes }: Store): Classes => classes as Classes
const versionsOf = async (Bucket: string) => (await s3.client.send(new ListObjectVersionsCommand({ Bucket }))).Versions ?? []

async function upload(store: Store, key: string, body: Buffer): Promise<void> {
  const parts = await store.startUpload(key)
  const step = Math.max(store.minPartBytes, 1)
  for (let from = 0, number = 1; from < body.length; from += step, number++) await parts.part(number, body.subarray(from, from + step))
  await parts.complete({ size: body.length, crc32: crc32Of(body) })
}

it('an object is moved into another class with its bytes and its checksum, once', async () => {
  const store = s3.open('plain')
  const body = Buffer.from('an artifact')
  await upload(store, KEY, body)
  const before = await store.head(KEY)
  expect(await classesOf(store).moveTo(KEY, 'STANDARD_IA')).toBe('moved')
  expect(await store.head(KEY)).toEqual({ ...before, modified: expect.any(Date), storageClass: 'STANDARD_IA' })
  expect(await readAll(store, KEY)).toEqual(body)
  expect(await classesOf(store).moveTo(KEY, 'STANDARD_IA')).toBe('there')
  expect(await classesOf(store).moveTo('holdfast/none', 'STANDARD_IA')).toBe('absent')
  for await (const info of store.list('holdfast/')) expect(info).toMatchObject({ key: KEY, storageClass: 'STANDARD_IA' })
})

it('one in an archive is refused by its own code until it was asked for and has become readable', async () => {
  await s3.thawAfter(8)
  const store = s3.open('plain')
  const key = 'holdfast/v1/orders/archived'
  await upload(store, key, Buffer.from('kept for years'))
  await classesOf(store).moveTo(key, 'GLACIER')
  expect(await store.head(key)).toMatchObject({ storageClass: 'GLACIER', thaw: 'none' })
  await expect(store.get(key)).rejects.toMatchObject({ code: 'POINT_ARCHIVED', object: key, next: expect.stringContaining('--thaw') })
  await classesOf(store).thaw(key, { tier: 'Standard', days: 3 })
  expect(await store.head(key)).toMatchObject({ thaw: 'asked' })
  await classesOf(store).thaw(key, { tier: 'Standard', days: 3 })
  await expect(store.get(key)).rejects.toMatchObject({ code: 'POINT_ARCHIVED' })
  await expect.poll(async () => (await store.head(key))?.thaw).toBe('readable')
  expect(String(await readAll(store, key))).toBe('kept for years')
})

it('what is larger is moved in parts, and an upload that a killed try left goes with it', async () => {
  const store = s3.open('plain', { copyPartBytes: 5 * 1024 * 1024 })
  const key = 'holdfast/v1/orders/large'
  const body = Buffer.alloc(12 * 1024 * 1024, 'large ')
  await upload(store, key, body)
  const crc32 = (await store.head(key))?.crc32
  await store.startUpload(key)
  expect(await classesOf(store).moveTo(key, 'GLACIER_IR')).toBe('moved')
  expect(await store.head(key)).toMatchObject({ size: body.length, storageClass: 'GLACIER_IR', ...(crc32 && { crc32 }) })
  expect((await readAll(store, key)).equals(body)).toBe(true)
  const left: unknown[] = []
  for await (const pending of store.pendingUploads('holdfast/')) left.push(pending)
  expect(left).toEqual([])
})

it('a bucket that keeps versions keeps one only, also after a try that was killed before it removed the other', async () => {
  const store = s3.open('versions')
  await upload(store, KEY, Buffer.from('an artifact'))
  await upload(store, `${KEY}.more`, Buffer.from('not in the way'))
  await classesOf(store).moveTo(KEY, 'GLACIER_IR')
  expect(await versionsOf('versions')).toHaveLength(2)
  // As a try leaves it that copied and went no further.
  const Key = `kept here/${KEY}`
  const CopySource = `versions/${Key.split('/').map(encodeURIComponent).join('/')}`
  await s3.client.send(new CopyObjectCommand({ Bucket: 'versions', Key, CopySource, StorageClass: 'GLACIER' }))
  expect(await versionsOf('versions')).toHaveLength(3)
  expect(await classesOf(s3.open('versions')).moveTo(KEY, 'GLACIER')).toBe('there')
  const left = await versionsOf('versions')
  expect(left.map((version) => [version.Key, version.StorageClass])).toEqual([
    [Key, 'GLACIER'],
    [`kept here/${KEY}.more`, 'STANDARD'],
  ])
})

it('one under a lock stays where it is: its version would go on costing what it costs', async () => {
  const store = s3.open('locks')
  await upload(store, KEY, Buffer.from('locked'))
  const RetainUntilDate = new Date(Date.now() + 86_400_000)
  const Retention = { Mode: 'GOVERNANCE', RetainUntilDate } as const
  await s3.client.send(new PutObjectRetentionCommand({ Bucket: 'locks', Key: `kept here/${KEY}`, Retention }))
  expect(await classesOf(store).moveTo(KEY, 'GLACIER')).toBe('locked')
  expect(await store.head(KEY)).not.toHaveProperty('storageClass')
  expect(await versionsOf('locks')).toHaveLength(1)
})
