/** Archiving a file: durable before success, the same again is fine, anything else is refused and spoils nothing. */
import { randomBytes } from 'node:crypto'
import { appendFile, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createMemoryStore, type MemoryStore } from '../../../src/storage/memory.ts'
import type { Store } from '../../../src/storage/store.ts'
import { fetchWal } from '../../../src/wal/fetch.ts'
import { pushWal } from '../../../src/wal/push.ts'
import { type ArchiveUnderTest, createArchive, MIB, segmentBytes } from '../../support/archive.ts'
import { keysIn, stranger } from '../../support/catalog.ts'

const NAME = '000000010000000000000003'
const PLACE = `holdfast/wal/v1/shop/00000001/${NAME}/`

let under: ArchiveUnderTest
let store: MemoryStore
beforeAll(async () => {
  under = await createArchive()
})
afterAll(() => under.destroy())
beforeEach(() => {
  store = createMemoryStore()
})

/** What is fetched is compared with what was archived. */
async function fetched(name = NAME): Promise<Buffer> {
  const path = join(under.dir, randomBytes(4).toString('hex'))
  await fetchWal(under.on(store), name, path)
  return readFile(path)
}

/** The store, with something done before each put. */
const beforePut = (act: (key: string) => Promise<void>): Store => ({
  ...store,
  put: async (key, body, options) => act(key).then(() => store.put(key, body, options)),
})

describe('a file that is archived', () => {
  it('stands there as one encrypted object and one record, and comes back as it was', async () => {
    const body = segmentBytes(2 * MIB)
    expect(await pushWal(under.on(store), await under.file(NAME, body))).toMatchObject({ outcome: 'archived', plainBytes: 2 * MIB })
    const keys = await keysIn(store)
    expect(keys).toHaveLength(2)
    expect(keys[0]).toMatch(new RegExp(`^${PLACE}[0-9a-f]{16}\\.zst\\.age$`))
    expect(keys[1]).toBe(`${PLACE}wal.json`)
    expect((await fetched()).equals(body)).toBe(true)
  })

  it.each([
    ['nothing', ''],
    ['one byte', 'x'],
    ['what cannot be compressed', randomBytes(3 * MIB)],
  ])('may hold %s', async (_, body) => {
    await pushWal(under.on(store), await under.file('engine.log', body))
    expect((await fetched('engine.log')).equals(Buffer.from(body))).toBe(true)
  })

  it('is the same again: nothing is uploaded a second time', async () => {
    const path = await under.file(NAME)
    await pushWal(under.on(store), path)
    const keys = await keysIn(store)
    const uploads: string[] = []
    const watched = beforePut(async (key) => void uploads.push(key))
    expect(await pushWal(under.on(watched), path)).toMatchObject({ outcome: 'same' })
    expect(uploads).toEqual([])
    expect(await keysIn(store)).toEqual(keys)
  })

  it('is not replaced by other content: refused loudly, the first is as it was', async () => {
    const first = segmentBytes()
    await pushWal(under.on(store), await under.file(NAME, first))
    const keys = await keysIn(store)
    await expect(pushWal(under.on(store), await under.file(NAME))).rejects.toMatchObject({ code: 'STORE_CONFLICT', object: NAME })
    expect(await keysIn(store)).toEqual(keys)
    expect((await fetched()).equals(first)).toBe(true)
  })

  it('is not believed to be there where its object is gone or cut', async () => {
    const path = await under.file(NAME)
    await pushWal(under.on(store), path)
    const [data = ''] = await keysIn(store)
    store.overwrite(data, Buffer.from('cut'))
    await expect(pushWal(under.on(store), path)).rejects.toMatchObject({ code: 'INTEGRITY', object: data })
    await store.delete(data)
    await expect(pushWal(under.on(store), path)).rejects.toMatchObject({ code: 'INTEGRITY', object: data })
  })

  it('is not taken on the word of a stranger', async () => {
    const path = await under.file(NAME)
    await pushWal({ ...under.on(store), signer: stranger }, path)
    await expect(pushWal(under.on(store), path)).rejects.toMatchObject({ code: 'SIGNATURE_INVALID' })
  })
})

describe('two at once', () => {
  it('of the same content both end well, and one object stays', async () => {
    const body = segmentBytes()
    const paths = await Promise.all(Array.from({ length: 4 }, () => under.file(NAME, body)))
    const pushed = await Promise.all(paths.map((path) => pushWal(under.on(store), path)))
    expect(pushed.map(({ outcome }) => outcome).sort()).toEqual(['archived', 'same', 'same', 'same'])
    expect(await keysIn(store)).toHaveLength(2)
    expect((await fetched()).equals(body)).toBe(true)
  })

  it('of different content one ends well, the other is refused, and one object stays', async () => {
    const bodies = [segmentBytes(), segmentBytes()] as const
    const paths = await Promise.all(bodies.map((body) => under.file(NAME, body)))
    const pushed = await Promise.allSettled(paths.map((path) => pushWal(under.on(store), path)))
    const winner = pushed.findIndex(({ status }) => status === 'fulfilled')
    expect(pushed[1 - winner]).toMatchObject({ status: 'rejected', reason: { code: 'STORE_CONFLICT' } })
    expect(await keysIn(store)).toHaveLength(2)
    expect((await fetched()).equals(bodies[winner] as Buffer)).toBe(true)
  })

  it('of a large file both end well, also where the one sweeps the upload of the other', async () => {
    const path = await under.file('large.log', randomBytes(70 * MIB))
    let first: Promise<unknown> | undefined
    const slow: Store = {
      ...store,
      async startUpload(key) {
        const upload = await store.startUpload(key)
        // The other one begins and ends while the parts of this one are under way.
        first ??= pushWal(under.on(store), path)
        return { ...upload, complete: async (whole) => first?.then(() => upload.complete(whole)) as ReturnType<typeof upload.complete> }
      },
    }
    expect(await pushWal(under.on(slow), path)).toMatchObject({ outcome: 'same' })
    expect(await first).toMatchObject({ outcome: 'archived' })
    expect(await keysIn(store)).toHaveLength(2)
  })
})

describe('a push that does not get to its end', () => {
  it('leaves nothing where it is stopped before the record', async () => {
    const stop = new AbortController()
    const stopping = beforePut(async (key) => {
      if (!key.endsWith('wal.json')) stop.abort()
    })
    await expect(pushWal(under.on(stopping), await under.file(NAME), stop.signal)).rejects.toThrow()
    expect(await keysIn(store)).toEqual([])
  })

  it('leaves nothing where the record cannot be stored', async () => {
    const failing = beforePut(async (key) => {
      if (key.endsWith('wal.json')) throw new Error('the disk is full')
    })
    await expect(pushWal(under.on(failing), await under.file(NAME))).rejects.toThrow('the disk is full')
    expect(await keysIn(store)).toEqual([])
  })

  it('and was killed there is no archived file, and what it left goes with the next push', async () => {
    await store.put(`${PLACE}00aa00aa00aa00aa.zst.age`, Buffer.from('half'), { ifAbsent: true })
    expect(await fetchWal(under.on(store), NAME, join(under.dir, 'nothing'))).toBeUndefined()
    const path = await under.file(NAME)
    expect(await pushWal(under.on(store), path)).toMatchObject({ outcome: 'archived' })
    expect(await keysIn(store)).toHaveLength(2)
    await store.put(`${PLACE}00aa00aa00aa00aa.zst.age`, Buffer.from('late'), { ifAbsent: true })
    expect(await pushWal(under.on(store), path)).toMatchObject({ outcome: 'same' })
    expect(await keysIn(store)).toHaveLength(2)
  })

  it('of a large file leaves no parts behind either', async () => {
    const path = await under.file('large.log', Buffer.alloc(65 * MIB))
    await (await store.startUpload('holdfast/wal/v1/shop/other/large.log/00aa00aa00aa00aa.zst.age')).part(1, Buffer.from('half'))
    await pushWal(under.on(store), path)
    for await (const { key } of store.pendingUploads('')) expect(key).toBe('no upload at all')
    expect(await keysIn(store)).toHaveLength(2)
  })

  it('stores nothing without a key to sign with', async () => {
    await expect(pushWal({ ...under.on(store), signer: undefined }, await under.file(NAME))).rejects.toMatchObject({ code: 'KEY_MISSING' })
    expect(await keysIn(store)).toEqual([])
  })
})

describe('what is no finished file', () => {
  it.each([0, 1000, MIB - 1, MIB + 8192])('a segment of %d bytes is refused', async (size) => {
    const path = await under.file(NAME, Buffer.alloc(size))
    await expect(pushWal(under.on(store), path)).rejects.toMatchObject({ code: 'INPUT_INVALID', object: path })
    expect(await keysIn(store)).toEqual([])
  })

  it('a file that is written to meanwhile is refused', async () => {
    for (const change of [appendFile, (path: string) => truncate(path, 3), writeFile]) {
      const path = await under.file('engine.log', 'begun')
      const changing = beforePut(() => change(path, 'and more') as Promise<void>)
      await expect(pushWal(under.on(changing), path)).rejects.toMatchObject({ code: 'INPUT_INVALID', object: path })
      expect(await keysIn(store)).toEqual([])
    }
  })

  it('a folder and what is not there are refused', async () => {
    for (const path of [under.dir, join(under.dir, 'none')])
      await expect(pushWal(under.on(store), path)).rejects.toMatchObject({ code: 'INPUT_INVALID', object: path })
  })
})
