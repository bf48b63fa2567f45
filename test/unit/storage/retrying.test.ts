import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { beforeEach, describe, expect, it } from 'vitest'
import type { HoldfastError } from '../../../src/core/errors.ts'
import { crc32Of } from '../../../src/storage/crc.ts'
import { createMemoryStore, type MemoryStore } from '../../../src/storage/memory.ts'
import { createRetryingStore } from '../../../src/storage/retrying.ts'
import { readAll, type Store } from '../../../src/storage/store.ts'
import { keysIn } from '../../support/catalog.ts'
import { createFaultyStore, type FaultyStore } from '../../support/faulty.ts'

const KEY = 'a/key'
let memory: MemoryStore
let faulty: FaultyStore
let store: Store
beforeEach(() => {
  memory = createMemoryStore()
  faulty = createFaultyStore(memory)
  store = createRetryingStore(faulty, { attempts: 4, firstPauseMs: 1 })
})
const put = (text = 'body') => store.put(KEY, Buffer.from(text), { ifAbsent: true })
const whole = (body: Buffer) => ({ size: body.length, crc32: crc32Of(body) })

describe('retries', () => {
  it('get over a store that is busy for a while', async () => {
    faulty.failNext('put', 'busy', 3)
    faulty.failNext('head', 'busy', 3)
    faulty.failNext('get', 'busy', 3)
    faulty.failNext('delete', 'busy', 3)
    expect(await put()).toBe('created')
    expect(await store.head(KEY)).toMatchObject({ size: 4 })
    expect(String(await readAll(store, KEY))).toBe('body')
    expect(await store.delete(KEY)).toBe('deleted')
  })

  it('end after the given number, with what was tried and the last reason', async () => {
    faulty.failNext('put', 'busy', 99)
    const error = (await put().catch((caught: unknown) => caught)) as HoldfastError
    expect(error).toMatchObject({
      code: 'STORE_UNREACHABLE',
      object: KEY,
      message: expect.stringMatching(/memory: gave up to write a\/key after 4 tries in \d+ s; the last: 503 SlowDown/),
    })
    expect(error.details.tries).toEqual(Array(4).fill('503 SlowDown'))
    expect(faulty.calls.put).toBe(4)
  })

  it('are not made where they cannot help', async () => {
    faulty.failNext('put', 'denied')
    await expect(put()).rejects.toMatchObject({ code: 'STORE_DENIED' })
    await expect(store.get('nothing')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(faulty.calls).toMatchObject({ put: 1, get: 1 })
  })
})

describe('a lost reply', () => {
  it('to a conditional put is met by its own bytes and is success', async () => {
    faulty.failNext('put', 'lost reply')
    expect(await put()).toBe('created')
    expect(await put()).toBe('exists')
  })

  it('to a conditional put behind which others stand is no success', async () => {
    await put('others')
    faulty.failNext('put', 'busy')
    expect(await put()).toBe('exists')
    expect(String(await readAll(store, KEY))).toBe('others')
  })

  it('to a delete counts as deleted', async () => {
    await put()
    faulty.failNext('delete', 'lost reply')
    expect(await store.delete(KEY)).toBe('deleted')
  })

  it.each(['with', 'without'])('to a complete is met by its own object and is success, %s checksums of the store', async (checksums) => {
    if (checksums === 'without') {
      const head = faulty.head
      faulty.head = async (key) => {
        const found = await head(key)
        return found && { ...found, crc32: undefined }
      }
    }
    const body = randomBytes(1000)
    const upload = await store.startUpload(KEY)
    await upload.part(1, body)
    faulty.failNext('complete', 'lost reply')
    expect(await upload.complete(whole(body))).toMatchObject({ key: KEY, size: 1000 })
  })

  it('to a complete behind which another object stands is a conflict', async () => {
    const upload = await store.startUpload(KEY)
    const body = randomBytes(1000)
    await upload.part(1, body)
    memory.overwrite(KEY, randomBytes(1000))
    faulty.failNext('complete', 'busy')
    await expect(upload.complete(whole(body))).rejects.toMatchObject({ code: 'STORE_CONFLICT', object: KEY })
  })
})

describe('a stream that is cut', () => {
  it('goes on where it stopped, as often as it makes progress', async () => {
    const body = randomBytes(1_000_000)
    await store.put(KEY, body, { ifAbsent: true })
    faulty.failNext('get', 'cut', 9)
    expect((await readAll(store, KEY)).equals(body)).toBe(true)
    expect(faulty.calls.get).toBe(10)
    faulty.failNext('get', 'cut', 2)
    expect(Buffer.concat(await (await store.get(KEY, { start: 500_000 })).toArray()).equals(body.subarray(500_000))).toBe(true)
  })

  it('ends as an error of the stream where it makes none', async () => {
    await store.put(KEY, randomBytes(1_000_000), { ifAbsent: true })
    faulty.failNext('get', 'cut')
    faulty.failNext('get', 'busy', 99)
    await expect(readAll(store, KEY)).rejects.toMatchObject({
      code: 'STORE_UNREACHABLE',
      message: expect.stringContaining('gave up to read a/key after 4 tries'),
    })
  })

  it('of a listing gives each key once', async () => {
    for (const name of ['a', 'b', 'c', 'd']) await memory.put(name, Buffer.from('x'), { ifAbsent: true })
    faulty.failNext('list', 'cut', 2)
    faulty.failNext('list', 'busy')
    expect(await keysIn(store)).toEqual(['a', 'b', 'c', 'd'])
  })
})

it('a download that is stopped while it begins is an error of its reader, and ends nobody else', async () => {
  await put()
  const stop = new AbortController()
  const begun: Store = {
    ...memory,
    async get() {
      stop.abort()
      return Readable.from(['body'], { signal: stop.signal })
    },
  }
  const stream = await createRetryingStore(begun).get(KEY, { signal: stop.signal })
  await expect(stream.toArray()).rejects.toMatchObject({ name: 'AbortError' })
})

it('parts and the start of an upload are retried', async () => {
  faulty.failNext('startUpload', 'busy')
  const upload = await store.startUpload(KEY)
  faulty.failNext('part', 'lost reply', 2)
  faulty.failNext('abortUpload', 'busy')
  await upload.part(1, Buffer.from('x'))
  await upload.complete(whole(Buffer.from('x')))
  await upload.abort()
  expect(String(await readAll(store, KEY))).toBe('x')
})

it('waiting for the next try ends when the caller gives up', async () => {
  const patient = createRetryingStore(faulty, { firstPauseMs: 600_000 })
  faulty.failNext('get', 'busy')
  const stop = new AbortController()
  const reading = patient.get(KEY, { signal: stop.signal })
  stop.abort()
  await expect(reading).rejects.toMatchObject({ name: 'AbortError' })
})
