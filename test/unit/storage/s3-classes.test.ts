/** Objects moved between storage classes, on the stand-in for S3 that has them. */
import { CopyObjectCommand, ListObjectVersionsCommand, PutObjectCommand, PutObjectRetentionCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { crc32Of } from '../../../src/storage/crc.ts'
import { createS3Classes } from '../../../src/storage/s3-classes.ts'
import type { S3Context } from '../../../src/storage/s3-upload.ts'
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

/** What another one writes over it, in the class: as an accident does, or a try of the same move. */
async function overwrite(Bucket: string, Key: string, body: string, StorageClass: 'STANDARD' | 'GLACIER' = 'STANDARD') {
  const put = new PutObjectCommand({ Bucket, Key, Body: body, StorageClass, ChecksumAlgorithm: 'CRC32' })
  return (await s3.client.send(put)).VersionId
}

it('what was stored without a checksum leaves no version behind either, where the try that copied it comes to its end', async () => {
  await s3.createBucket('no-checksums', { versions: true })
  const store = s3.open('no-checksums')
  await store.put(KEY, Buffer.from('an artifact'), { ifAbsent: true })
  expect(await store.head(KEY)).not.toHaveProperty('crc32')
  expect(await classesOf(store).moveTo(KEY, 'GLACIER_IR')).toBe('moved')
  expect((await versionsOf('no-checksums')).map(({ StorageClass }) => StorageClass)).toEqual(['GLACIER_IR'])
})

it('below an object that was written over, the version from before stays, however often it is moved', async () => {
  await s3.createBucket('written-over', { versions: true })
  const store = s3.open('written-over')
  await upload(store, KEY, Buffer.from('the good one'))
  const [good] = await versionsOf('written-over')
  await overwrite('written-over', `kept here/${KEY}`, 'the bad one!')
  for (const [storageClass, outcome] of [
    ['GLACIER_IR', 'moved'],
    ['GLACIER_IR', 'there'],
    ['GLACIER', 'moved'],
  ] as const)
    expect(await classesOf(store).moveTo(KEY, storageClass)).toBe(outcome)
  const left = await versionsOf('written-over')
  expect(left.map(({ StorageClass }) => StorageClass)).toEqual(['GLACIER', 'STANDARD'])
  expect(left[1]?.VersionId).toBe(good?.VersionId)
})

it('what another try has put over the copy of this one stays', async () => {
  await s3.createBucket('two-tries', { versions: true })
  const Key = `kept here/${KEY}`
  await upload(s3.open('two-tries'), KEY, Buffer.from('an artifact'))
  let newer: string | undefined
  const seen = async () => {
    if ((await versionsOf('two-tries')).length === 2) newer = await overwrite('two-tries', Key, 'an artifact', 'GLACIER')
  }
  const client = betweenHeadAndListing(seen)
  const context = { client, bucket: 'two-tries', full: (key: string) => `kept here/${key}`, name: 's3', problem: (error: unknown) => error }
  expect(await createS3Classes(context as unknown as S3Context).moveTo(KEY, 'GLACIER')).toBe('moved')
  const [current, copy, ...more] = await versionsOf('two-tries')
  expect([current?.VersionId, copy?.StorageClass, more]).toEqual([newer, 'GLACIER', []])
  expect(newer).toBeDefined()
})

function betweenHeadAndListing(act: () => Promise<void>) {
  return {
    async send(command: Parameters<typeof s3.client.send>[0]) {
      if (command instanceof ListObjectVersionsCommand) await act()
      return s3.client.send(command)
    },
  }
}

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
