/** What src/storage/store.ts promises, as tests: every store passes all of them. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { crc32Of, measure } from '../../src/storage/crc.ts'
import { type ObjectInfo, readAll, type Store, type Upload } from '../../src/storage/store.ts'
import { probeStore } from '../../src/storage/probe.ts'

export interface StoreUnderTest {
  store: Store
  stop(): Promise<void>
}

const whole = (body: Buffer) => ({ size: body.length, crc32: crc32Of(body) })

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

interface Expectations {
  keepsChecksum: boolean
  /** Of a store whose listing has pages, more than one page holds. */
  many?: number
}

export function storeConformance(name: string, start: () => Promise<StoreUnderTest>, expectations: Expectations): void {
  describe(`store ${name}`, () => {
    let under: StoreUnderTest
    let store: Store
    let serial = 0
    const fresh = () => `conformance/${++serial}`
    const keysBelow = async (prefix: string) => (await collect(store.list(prefix))).map(({ key }) => key)
    const pendingBelow = (prefix: string) => collect(store.pendingUploads(prefix))
    const put = (key: string, text: string) => store.put(key, Buffer.from(text), { ifAbsent: true })
    const part = (size: number) => randomBytes(store.minPartBytes === 1 ? size : Math.max(size, store.minPartBytes))
    const send = async (upload: Upload, parts: Buffer[]) => {
      for (const [index, body] of parts.entries()) await upload.part(index + 1, body)
    }

    beforeAll(async () => {
      under = await start()
      store = under.store
    })
    afterAll(async () => {
      store?.close()
      await under?.stop()
    })

    describe('small objects', () => {
      it('gives back the bytes that were put, with size and time', async () => {
        const key = `${fresh()}/deep/er/object.json`
        const body = randomBytes(100_000)
        const before = Date.now() - 5_000
        expect(await store.put(key, body, { ifAbsent: true })).toBe('created')
        expect((await readAll(store, key)).equals(body)).toBe(true)
        const found = (await store.head(key)) as ObjectInfo
        expect(found).toMatchObject({ key, size: body.length })
        expect(found.modified.getTime()).toBeGreaterThan(before)
      })

      it('keeps what stands at a key: a second conditional put answers exists', async () => {
        const key = fresh()
        expect(await put(key, 'first')).toBe('created')
        expect(await put(key, 'second')).toBe('exists')
        expect(String(await readAll(store, key))).toBe('first')
      })

      it('lets one of many conditional puts at once win', async () => {
        const key = fresh()
        const bodies = Array.from({ length: 8 }, (_, number) => `writer ${number}`)
        const outcomes = await Promise.all(bodies.map((body) => put(key, body).catch(() => 'failed' as const)))
        const winners = bodies.filter((_, index) => outcomes[index] === 'created')
        expect(winners).toHaveLength(1)
        expect(String(await readAll(store, key))).toBe(winners[0])
      })

      it('replaces the object where that was asked for', async () => {
        const key = fresh()
        await store.put(key, Buffer.from('first'), { ifAbsent: false })
        expect(await store.put(key, Buffer.from('second'), { ifAbsent: false })).toBe('created')
        expect(String(await readAll(store, key))).toBe('second')
      })

      it('keeps an empty object', async () => {
        const key = fresh()
        await put(key, '')
        expect((await store.head(key))?.size).toBe(0)
        expect(await readAll(store, key)).toHaveLength(0)
      })

      it('knows nothing of what is not there', async () => {
        const key = fresh()
        expect(await store.head(key)).toBeUndefined()
        expect(await store.delete(key)).toBe('absent')
        await expect(store.get(key)).rejects.toMatchObject({ code: 'NOT_FOUND', object: key })
      })

      it('reads from a position on, and nothing from the end on', async () => {
        const key = fresh()
        const body = randomBytes(300_000)
        await store.put(key, body, { ifAbsent: true })
        const rest = await collect(await store.get(key, { start: 123_456 }))
        expect(Buffer.concat(rest as Buffer[]).equals(body.subarray(123_456))).toBe(true)
        expect(await collect(await store.get(key, { start: body.length }))).toEqual([])
      })

      it('stops a download when it is told to', async () => {
        const key = fresh()
        await store.put(key, randomBytes(3_000_000), { ifAbsent: true })
        const stop = new AbortController()
        const stream = await store.get(key, { signal: stop.signal })
        stop.abort()
        await expect(collect(stream)).rejects.toMatchObject({ name: 'AbortError' })
      })

      it('forgets what was deleted', async () => {
        const key = `${fresh()}/a/b`
        await put(key, 'x')
        expect(await store.delete(key)).toBe('deleted')
        expect(await store.head(key)).toBeUndefined()
        expect(await keysBelow(key)).toEqual([])
        expect(await put(key, 'again')).toBe('created')
      })

      it.each(['../outside', 'a/../../outside', '/absolute', 'a//b', '.uploads/x', 'a/./b', '', 'a\0b', 'a\\b', 'é'])(
        'refuses the key %j',
        async (key) => {
          await expect(put(key, 'x')).rejects.toMatchObject({ code: 'INPUT_INVALID', object: key })
          await expect(store.startUpload(key)).rejects.toMatchObject({ code: 'INPUT_INVALID', object: key })
        },
      )
    })

    it('refuses a key that is too long for one of the stores', async () => {
      for (const key of [`${'a/'.repeat(500)}a`, 'a'.repeat(251)])
        await expect(put(key, 'x')).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    })

    describe('list', () => {
      it('gives every key with the prefix once, in byte order, across folders', async () => {
        const below = fresh()
        const keys = ['a', 'a-b/x', 'a.b', 'a/', 'a0', 'B', 'a/b/c', 'ab', 'a/b-c', 'a_b', 'b']
          .filter((key) => !key.endsWith('/') && key !== 'a')
          .map((key) => `${below}/${key}`)
        for (const key of keys) await put(key, 'x')
        const sorted = [...keys].sort((a, b) => (a < b ? -1 : 1))
        expect(await keysBelow(`${below}/`)).toEqual(sorted)
        expect(await keysBelow(`${below}/a/`)).toEqual(sorted.filter((key) => key.startsWith(`${below}/a/`)))
        expect(await keysBelow(`${below}/a`)).toEqual(sorted.filter((key) => key.startsWith(`${below}/a`)))
        expect(await keysBelow(`${below}/nothing`)).toEqual([])
        expect((await collect(store.list(`${below}/ab`)))[0]).toMatchObject({ key: `${below}/ab`, size: 1 })
      })

      it('goes beyond one page of a thousand', async () => {
        const below = fresh()
        const keys = Array.from({ length: expectations.many ?? 1_050 }, (_, number) => `${below}/${String(number).padStart(5, '0')}`)
        for (let at = 0; at < keys.length; at += 50) await Promise.all(keys.slice(at, at + 50).map((key) => put(key, '')))
        expect(await keysBelow(`${below}/`)).toEqual(keys)
      })
    })

    describe('uploads', () => {
      it('joins growing parts to one object that is invisible until complete', async () => {
        const key = `${fresh()}/data/part`
        const parts = [part(10), part(200_000), part(400_000 + store.minPartBytes), randomBytes(7)]
        const body = Buffer.concat(parts)
        const upload = await store.startUpload(key)
        await send(upload, parts)
        expect(await store.head(key)).toBeUndefined()
        expect(await keysBelow(key)).toEqual([])
        const info = await upload.complete(whole(body))
        expect(info).toMatchObject({ key, size: body.length })
        expect(await measure(await store.get(key))).toEqual(whole(body))
        expect(await pendingBelow(key)).toEqual([])
      })

      it('takes parts out of order, at once and again', async () => {
        const key = fresh()
        const parts = [part(1000), part(2000), part(3000)] as [Buffer, Buffer, Buffer]
        const upload = await store.startUpload(key)
        await upload.part(2, part(999))
        await Promise.all([upload.part(3, parts[2]), upload.part(1, parts[0]), upload.part(2, parts[1])])
        await upload.part(1, parts[0])
        await upload.complete(whole(Buffer.concat(parts)))
        expect((await readAll(store, key)).equals(Buffer.concat(parts))).toBe(true)
      })

      it('is done with a buffer once its part resolves', async () => {
        const key = fresh()
        const buffer = part(5000)
        const sent = Buffer.from(buffer)
        const upload = await store.startUpload(key)
        await upload.part(1, buffer)
        buffer.fill(0)
        await upload.complete(whole(sent))
        expect((await readAll(store, key)).equals(sent)).toBe(true)
      })

      it('keeps the checksum of the whole, where it keeps one', async () => {
        const key = fresh()
        const parts = [part(1000), part(1000)]
        const upload = await store.startUpload(key)
        await send(upload, parts)
        const { crc32 } = whole(Buffer.concat(parts))
        const info = await upload.complete(whole(Buffer.concat(parts)))
        expect(info.crc32).toBe(expectations.keepsChecksum ? crc32 : undefined)
        expect((await store.head(key))?.crc32).toBe(expectations.keepsChecksum ? crc32 : undefined)
      })

      it('refuses a whole with another checksum or size and shows nothing', async () => {
        for (const lie of [{ crc32: crc32Of(Buffer.from('other')) }, { size: 17 }]) {
          const key = fresh()
          const body = part(1000)
          const upload = await store.startUpload(key)
          await upload.part(1, body)
          await expect(upload.complete({ ...whole(body), ...lie })).rejects.toMatchObject({ code: 'INTEGRITY', object: key })
          await upload.abort()
          expect(await store.head(key)).toBeUndefined()
        }
      })

      it('keeps what stands at the key: a late complete is a conflict', async () => {
        const key = fresh()
        const body = part(1000)
        const upload = await store.startUpload(key)
        await upload.part(1, body)
        await put(key, 'first')
        await expect(upload.complete(whole(body))).rejects.toMatchObject({ code: 'STORE_CONFLICT', object: key })
        expect(String(await readAll(store, key))).toBe('first')
        await upload.abort()
        expect(await pendingBelow(key)).toEqual([])
      })

      it('lets one of two uploads to a key win', async () => {
        const key = fresh()
        const bodies = [part(1000), part(2000)]
        const uploads = await Promise.all(
          bodies.map(async (body) => {
            const upload = await store.startUpload(key)
            await upload.part(1, body)
            return upload
          }),
        )
        const outcomes = await Promise.allSettled(uploads.map((upload, index) => upload.complete(whole(bodies[index] as Buffer))))
        expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
        const winner = outcomes.findIndex(({ status }) => status === 'fulfilled')
        expect((await readAll(store, key)).equals(bodies[winner] as Buffer)).toBe(true)
        for (const upload of uploads) await upload.abort()
      })

      it('shows uploads that were left, and aborts them from anywhere, twice', async () => {
        const below = fresh()
        const started = Date.now()
        const left = await store.startUpload(`${below}/left`)
        await left.part(1, part(10))
        await store.startUpload(`${below}/other`)
        const pending = await pendingBelow(`${below}/`)
        expect(pending.map(({ key }) => key)).toEqual([`${below}/left`, `${below}/other`])
        expect(Math.abs((pending[0]?.started.getTime() ?? 0) - started)).toBeLessThan(60_000)
        expect(await pendingBelow(`${below}/l`)).toHaveLength(1)
        for (const { key, id } of [...pending, ...pending]) await store.abortUpload({ key, id })
        expect(await pendingBelow(`${below}/`)).toEqual([])
        await left.abort()
        await expect(left.part(2, part(10))).rejects.toMatchObject({ code: 'NOT_FOUND' })
        await expect(left.complete(whole(part(10)))).rejects.toMatchObject({ code: expect.stringMatching(/NOT_FOUND|INTEGRITY/) })
        expect(await keysBelow(below)).toEqual([])
      })
    })

    it('passes the probes of doctor and is as empty afterwards as before', async () => {
      const findings = await probeStore(store)
      expect(findings.filter(({ ok }) => ok).length).toBeGreaterThan(6)
      expect(findings.filter(({ ok }) => !ok)).toEqual([])
      expect(await keysBelow('holdfast/probe/')).toEqual([])
      expect(await pendingBelow('holdfast/probe/')).toEqual([])
    })
  })
}
