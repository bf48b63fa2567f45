/** A real S3 server behind a proxy that misbehaves. */
import { randomBytes } from 'node:crypto'
import { ListObjectVersionsCommand, PutObjectRetentionCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type S3Server, startS3 } from '../../../scripts/toolbox/s3.ts'
import { crc32Of } from '../../../src/storage/crc.ts'
import { createRetryingStore } from '../../../src/storage/retrying.ts'
import { createS3Store } from '../../../src/storage/s3.ts'
import type { S3Options } from '../../../src/storage/s3-client.ts'
import { readAll, type Store } from '../../../src/storage/store.ts'
import { type FlakyProxy, startFlakyProxy } from '../../support/flaky-proxy.ts'

const MiB = 1024 * 1024
const whole = (body: Buffer) => ({ size: body.length, crc32: crc32Of(body) })
const is =
  (method: string, part = '') =>
  (m: string, url: string) =>
    m === method && url.includes(part)

let server: S3Server
let proxy: FlakyProxy
let bare: Store
let store: Store
let serial = 0
const fresh = () => `faults/${++serial}`
const open = (more: Partial<S3Options> = {}) =>
  createS3Store({
    bucket: 'backups',
    region: 'us-east-1',
    prefix: '',
    endpoint: proxy.endpoint,
    idleMs: 2_000,
    credentials: { accessKeyId: server.accessKeyId, secretAccessKey: server.secretAccessKey },
    ...more,
  })

beforeAll(async () => {
  server = await startS3({ tls: false })
  await server.createBucket('backups')
  await server.createBucket('locked', { objectLock: true })
  proxy = await startFlakyProxy(server.endpoint)
  bare = open()
  store = createRetryingStore(bare, { firstPauseMs: 10, attempts: 4 })
})
afterAll(async () => {
  bare?.close()
  await proxy?.stop()
  await server?.stop()
})

it('a storage class is asked for each artifact, and for nothing that is read every day', async () => {
  const infrequent = open({ storageClass: 'STANDARD_IA' })
  const since = proxy.requests.length
  await infrequent.put(fresh(), Buffer.from('a manifest'), { ifAbsent: true })
  const upload = await infrequent.startUpload(fresh())
  const body = Buffer.from('an artifact')
  await upload.part(1, body)
  await upload.complete(whole(body))
  const asked = proxy.requests.slice(since).map((request, index) => [request.split('?')[1], proxy.headers[since + index]])
  const classes = asked.map(([query, headers]) => [query, (headers as Record<string, string>)['x-amz-storage-class']])
  expect(classes.filter(([, value]) => value !== undefined)).toEqual([['uploads=', 'STANDARD_IA']])
  infrequent.close()
})

describe('S3 that answers 503', () => {
  it('is an error that may pass, and does with retries', async () => {
    const key = fresh()
    proxy.failNext(is('PUT', key), 'busy')
    await expect(bare.put(key, Buffer.from('x'), { ifAbsent: true })).rejects.toMatchObject({
      code: 'STORE_UNREACHABLE',
      retryable: true,
      object: key,
      message: expect.stringContaining('503 SlowDown'),
    })
    proxy.failNext(is('PUT', key), 'busy', 3)
    expect(await store.put(key, Buffer.from('x'), { ifAbsent: true })).toBe('created')
  })

  it('asks the server no oftener than the decorator says', async () => {
    const key = fresh()
    proxy.failNext(is('GET', key), 'busy', 99)
    const before = proxy.requests.length
    await expect(store.get(key)).rejects.toMatchObject({ code: 'STORE_UNREACHABLE', message: expect.stringContaining('after 4 tries') })
    expect(proxy.requests.length - before).toBe(4)
  })
})

describe('S3 whose reply is lost', () => {
  it('has the object of a conditional put all the same', async () => {
    const key = fresh()
    proxy.failNext(is('PUT', key), 'lost reply')
    expect(await store.put(key, Buffer.from('mine'), { ifAbsent: true })).toBe('created')
    expect(await store.put(key, Buffer.from('other'), { ifAbsent: true })).toBe('exists')
  })

  it('has the object of a complete all the same', async () => {
    const key = fresh()
    const body = randomBytes(6 * MiB)
    const upload = await store.startUpload(key)
    await upload.part(1, body.subarray(0, 5 * MiB))
    proxy.failNext(is('PUT', key), 'lost reply')
    await upload.part(2, body.subarray(5 * MiB))
    proxy.failNext(is('POST', key), 'lost reply')
    expect(await upload.complete(whole(body))).toMatchObject({ size: body.length, crc32: crc32Of(body) })
    expect((await readAll(store, key)).equals(body)).toBe(true)
  })
})

describe('S3 where a late part brings an aborted upload back', () => {
  const begun = async () => {
    const key = fresh()
    const upload = await bare.startUpload(key)
    await upload.part(1, randomBytes(5 * MiB))
    return { key, upload }
  }

  it('is told to abort it until it knows it no longer', async () => {
    const { key, upload } = await begun()
    proxy.failNext(is('DELETE', key), 'no effect', 2)
    await upload.abort()
    for await (const left of bare.pendingUploads(key)) expect(left).toBeUndefined()
  })

  it('and goes on doing so is an error that names the upload', async () => {
    const { key, upload } = await begun()
    proxy.failNext(is('DELETE', key), 'no effect', 5)
    await expect(upload.abort()).rejects.toMatchObject({ object: key, message: expect.stringContaining('still there after 5 aborts') })
    await upload.abort()
  })
})

describe('S3 that stops in the middle', () => {
  const stored = async (size = 3 * MiB) => {
    const key = fresh()
    const body = randomBytes(size)
    await bare.put(key, body, { ifAbsent: true })
    return { key, body }
  }

  it.each(['cut', 'silent'] as const)('of a download (%s) is an error of the stream, never a short read', async (fault) => {
    const { key } = await stored()
    proxy.failNext(is('GET', key), fault)
    await expect(readAll(bare, key)).rejects.toMatchObject({ code: 'STORE_UNREACHABLE', retryable: true, object: key })
  })

  it('of a download goes on from there with retries', async () => {
    const { key, body } = await stored()
    proxy.failNext(is('GET', key), 'cut', 3)
    expect((await readAll(store, key)).equals(body)).toBe(true)
  })

  it('of a listing lists everything with retries', async () => {
    const keys = Array.from({ length: 5 }, (_, number) => `list/${number}`)
    for (const key of keys) await bare.put(key, Buffer.from('x'), { ifAbsent: true })
    proxy.failNext(is('GET', 'list-type=2'), 'cut')
    const found: string[] = []
    for await (const { key } of store.list('list/')) found.push(key)
    expect(found).toEqual(keys)
  })
})

describe('S3 that refuses', () => {
  it('a wrong key is denied, at once', async () => {
    const denied = createRetryingStore(open({ credentials: { accessKeyId: server.accessKeyId, secretAccessKey: 'wrong' } }))
    await expect(denied.put(fresh(), Buffer.from('x'), { ifAbsent: true })).rejects.toMatchObject({
      code: 'STORE_DENIED',
      retryable: false,
    })
    await expect(denied.head('x')).rejects.toMatchObject({ code: 'STORE_DENIED' })
    denied.close()
  })

  it('a bucket that is not there is named', async () => {
    const nowhere = open({ bucket: 'nowhere' })
    await expect(nowhere.put('x', Buffer.from('x'), { ifAbsent: true })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining('nowhere'),
      next: expect.stringContaining('bucket'),
    })
    nowhere.close()
  })

  it('a server that is not there may come back', async () => {
    const gone = open({ endpoint: 'http://127.0.0.1:9' })
    await expect(gone.head('x')).rejects.toMatchObject({
      code: 'STORE_UNREACHABLE',
      retryable: true,
      message: expect.stringContaining('ECONNREFUSED'),
    })
    gone.close()
  })

  it('to delete what is locked answers locked', async () => {
    const locked = open({ bucket: 'locked' })
    await locked.put('free', Buffer.from('x'), { ifAbsent: true })
    await locked.put('kept', Buffer.from('x'), { ifAbsent: true })
    await retain('kept')
    expect(await locked.delete('kept')).toBe('locked')
    expect((await locked.head('kept'))?.retainUntil?.getTime()).toBeGreaterThan(Date.now())
    expect(await locked.delete('free')).toBe('deleted')
    expect(await locked.head('free')).toBeUndefined()
    expect(await versionsOf('free')).toBe(0)
    locked.close()
  })
})

describe('TLS', () => {
  it('with an authority that is not ours is refused for good, naming caFile', async () => {
    const tls = await startS3()
    try {
      await tls.createBucket('backups')
      const { endpoint, caFile, accessKeyId, secretAccessKey } = tls
      const untrusting = createRetryingStore(open({ endpoint, credentials: { accessKeyId, secretAccessKey } }))
      await expect(untrusting.head('x')).rejects.toMatchObject({
        code: 'STORE_UNREACHABLE',
        retryable: false,
        next: expect.stringContaining('caFile'),
      })
      const trusting = open({ endpoint, caFile, credentials: { accessKeyId, secretAccessKey } })
      expect(await trusting.head('x')).toBeUndefined()
      expect(() => open({ endpoint, caFile: '/nowhere/ca.pem' })).toThrow(
        expect.objectContaining({ code: 'CONFIG_INVALID', object: '/nowhere/ca.pem' }),
      )
      untrusting.close()
      trusting.close()
    } finally {
      await tls.stop()
    }
  })
})

/** What the bucket still stores under the key, hidden or not. */
async function versionsOf(key: string): Promise<number> {
  const { Versions = [], DeleteMarkers = [] } = await withClient((client) =>
    client.send(new ListObjectVersionsCommand({ Bucket: 'locked', Prefix: key })),
  )
  return Versions.length + DeleteMarkers.length
}

async function retain(key: string): Promise<void> {
  const Retention = { Mode: 'GOVERNANCE', RetainUntilDate: new Date(Date.now() + 3_600_000) } as const
  await withClient((client) => client.send(new PutObjectRetentionCommand({ Bucket: 'locked', Key: key, Retention })))
}

async function withClient<T>(use: (client: S3Client) => Promise<T>): Promise<T> {
  const { endpoint, accessKeyId, secretAccessKey } = server
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials: { accessKeyId, secretAccessKey } })
  try {
    return await use(client)
  } finally {
    client.destroy()
  }
}
