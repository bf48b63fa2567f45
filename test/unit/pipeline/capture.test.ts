import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { blake3 } from '@napi-rs/blake-hash'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HoldfastError } from '../../../src/core/errors.ts'
import { createBandwidth } from '../../../src/pipeline/bandwidth.ts'
import { createSink } from '../../../src/pipeline/capture.ts'
import { partBytes, partsInFlight } from '../../../src/pipeline/parts.ts'
import type { Command } from '../../../src/process/command.ts'
import { run } from '../../../src/process/run.ts'
import { createMemoryStore } from '../../../src/storage/memory.ts'
import { readAll, type Store } from '../../../src/storage/store.ts'
import { type Identity, makeIdentity } from '../../support/age.ts'
import { until } from '../../../src/process/wait.ts'

const PREFIX = 'holdfast/v1/orders/20251018_214530_manual/data/'
const part = (stages: Command[], name = 'database') => ({ part: name, role: 'database', required: true, stages })
const shell = (script: string): Command => ({ program: 'sh', args: ['-c', script] })
/** Bytes that zstd cannot make smaller. */
const noise = (mebibytes: number): Command => shell(`head -c ${mebibytes}M /dev/urandom`)

let dir: string
let identity: Identity
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-pipeline-'))
  identity = await makeIdentity(dir)
})
afterAll(() => rm(dir, { recursive: true, force: true }))

const sinkOn = (store: Store, more: Partial<Parameters<typeof createSink>[0]> = {}) =>
  createSink({ store, prefix: PREFIX, attempt: 1, recipients: [identity.recipient], ...more })

async function leftIn(store: Store): Promise<{ objects: string[]; uploads: string[] }> {
  const objects: string[] = []
  const uploads: string[] = []
  for await (const { key } of store.list('')) objects.push(key)
  for await (const { key } of store.pendingUploads('')) uploads.push(key)
  return { objects, uploads }
}

/** A store whose part uploads the test looks into. */
function watched(store: Store, onPart: (number: number, body: Buffer) => Promise<void>): Store {
  return {
    ...store,
    async startUpload(key) {
      const upload = await store.startUpload(key)
      return {
        ...upload,
        part: async (number, body, signal) => {
          await onPart(number, body)
          await upload.part(number, body, signal)
        },
      }
    },
  }
}

describe('what is stored', () => {
  it('opens with the stock tools alone', async () => {
    const store = createMemoryStore()
    const artifact = await sinkOn(store).store(part([shell('seq 1 200000')]))
    await writeFile(join(dir, 'object'), await readAll(store, artifact.key))
    const opened = await run(shell(`age -d -i ${identity.file} ${join(dir, 'object')} | zstd -d`))
    expect(opened.stdout).toBe((await run(shell('seq 1 200000'))).stdout)
  })

  it('of a stream that this process reads, its content is digested too, and a stream that breaks stores nothing', async () => {
    const store = createMemoryStore()
    const body = Buffer.from('holdfast '.repeat(100_000))
    const chunks = [body.subarray(0, 1000), body.subarray(1000)]
    const artifact = await sinkOn(store).storeStream({ part: 'file', role: 'file', required: true, stream: Readable.from(chunks) })
    expect(artifact).toMatchObject({ plainBytes: body.length, contentBlake3: blake3(body).toString('hex') })
    async function* breaks(error: Error) {
      yield body
      throw error
    }
    const storing = (error: Error) =>
      sinkOn(store).storeStream({ part: 'other', role: 'file', required: true, stream: Readable.from(breaks(error)) })
    await expect(storing(new Error('the source went away'))).rejects.toThrow('the source went away')
    // What has a code of its own keeps it.
    await expect(storing(new HoldfastError('INTEGRITY', 'too short'))).rejects.toMatchObject({ code: 'INTEGRITY', message: 'too short' })
    expect(await leftIn(store)).toEqual({ objects: [artifact.key], uploads: [] })
  })

  it('is described as the store has it', async () => {
    const store = createMemoryStore()
    const artifact = await sinkOn(store).store(part([noise(3)]))
    const body = await readAll(store, artifact.key)
    await writeFile(join(dir, 'described'), body)
    expect(artifact).toMatchObject({
      key: `${PREFIX}database.zst.age`,
      storedBytes: body.length,
      compression: 'zstd',
      encryption: 'age',
      required: true,
    })
    expect(artifact.storeChecksum).toEqual({ algorithm: 'crc32', value: (await store.head(artifact.key))?.crc32 })
    const { blake3 } = await import('@napi-rs/blake-hash')
    expect(artifact.blake3).toBe(blake3(body).toString('hex'))
  })

  it('of bytes at hand has the digest of its content too', async () => {
    const store = createMemoryStore()
    const artifact = await sinkOn(store).storeBytes({ part: 'settings', role: 'settings', required: false, bytes: Buffer.from('a=1\n') })
    expect(artifact).toMatchObject({ plainBytes: 4, required: false })
    expect(artifact.contentBlake3).toMatch(/^[0-9a-f]{64}$/)
  })

  it('has a key of its own in each later attempt, and without recipients no .age', async () => {
    const store = createMemoryStore()
    const later = await sinkOn(store, { attempt: 3 }).store(part([shell('echo x')]))
    const open = await sinkOn(store, { recipients: [] }).store(part([shell('echo x')]))
    expect([later.key, open.key, open.encryption]).toEqual([`${PREFIX}database.3.zst.age`, `${PREFIX}database.zst`, 'none'])
  })
})

describe('an upload that must not be', () => {
  it('whose first program failed after its output leaves no object and no upload', async () => {
    const store = createMemoryStore()
    const failing = sinkOn(store, { firstPartBytes: 64 * 1024 }).store(part([shell('head -c 3M /dev/urandom; exit 3')]))
    await expect(failing).rejects.toMatchObject({ code: 'PROCESS_FAILED', details: { exitCode: 3 } })
    expect(await leftIn(store)).toEqual({ objects: [], uploads: [] })
  })

  it('whose dump was killed in the middle leaves no object and no upload', async () => {
    const store = createMemoryStore()
    const pidFile = join(dir, 'pid')
    let parts = 0
    const slow = sinkOn(
      watched(store, async () => {
        parts += 1
      }),
      { firstPartBytes: 64 * 1024 },
    ).store(part([shell(`echo $$ > ${pidFile}; head -c 40M /dev/urandom; sleep 60`)]))
    slow.catch(() => {})
    await until(() => parts > 2, { timeoutMs: 30_000, what: 'the first parts' })
    await run(shell(`kill -9 $(cat ${pidFile})`))
    await expect(slow).rejects.toMatchObject({ code: 'PROCESS_FAILED', details: { signal: 'SIGKILL' } })
    expect(await leftIn(store)).toEqual({ objects: [], uploads: [] })
  })

  it('that is cancelled stops its programs and leaves nothing', async () => {
    const store = createMemoryStore()
    const cancel = new AbortController()
    const pidFile = join(dir, 'cancelled-pid')
    const storing = sinkOn(
      watched(store, async () => cancel.abort()),
      { signal: cancel.signal, firstPartBytes: 64 * 1024 },
    ).store(part([shell(`echo $$ > ${pidFile}; head -c 40M /dev/urandom; exec sleep 60`)]))
    await expect(storing).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(await leftIn(store)).toEqual({ objects: [], uploads: [] })
    const runs = await run(shell(`grep -s '^State:' /proc/$(cat ${pidFile})/status | grep -v '[ZX] ('`), { accept: [0, 1] })
    expect(runs.stdout).toBe('')
  })

  it('whose store fails stops the programs and says what the store said', async () => {
    const store = createMemoryStore()
    const full = watched(store, async (number) => {
      if (number === 3) throw new Error('the disk is full')
    })
    await expect(sinkOn(full, { firstPartBytes: 64 * 1024 }).store(part([noise(4)]))).rejects.toThrow('the disk is full')
    expect(await leftIn(store)).toEqual({ objects: [], uploads: [] })
  })

  it('to a key that is taken changes nothing', async () => {
    const store = createMemoryStore()
    await sinkOn(store).store(part([shell('echo first')]))
    const before = await readAll(store, `${PREFIX}database.zst.age`)
    await expect(sinkOn(store).store(part([shell('echo second')]))).rejects.toMatchObject({ code: 'STORE_CONFLICT' })
    await expect(sinkOn(store, { firstPartBytes: 64 * 1024 }).store(part([noise(1)]))).rejects.toMatchObject({ code: 'STORE_CONFLICT' })
    expect(await readAll(store, `${PREFIX}database.zst.age`)).toEqual(before)
    expect((await leftIn(store)).uploads).toEqual([])
  })
})

describe('parts', () => {
  it('grow, so that a stream of 0.8 TiB fits in 10,000 of them and the last is 160 MiB', () => {
    let whole = 0
    for (let number = 1; number <= 10_000; number += 1) whole += partBytes(number)
    expect(whole / 2 ** 40).toBeGreaterThan(0.8)
    expect([partBytes(1), partBytes(500), partBytes(501), partBytes(10_000)]).toEqual([8, 8, 16, 160].map((size) => size * 1024 * 1024))
    expect(partBytes(1, 10)).toBe(8 * 1024 * 1024)
    expect(partBytes(1, 16 * 1024 * 1024)).toBe(16 * 1024 * 1024)
  })

  it('in flight are fewer as they grow', () => {
    expect([8, 16, 32, 64, 160].map((size) => partsInFlight(size * 1024 * 1024))).toEqual([4, 4, 2, 1, 1])
  })

  it('of a real upload have those sizes, in order, with never more than four in flight', async () => {
    const sizes: number[] = []
    let running = 0
    let most = 0
    const store = watched(createMemoryStore(), async (number, body) => {
      sizes[number - 1] = body.length
      most = Math.max(most, ++running)
      await new Promise((done) => setImmediate(done))
      running -= 1
    })
    const artifact = await sinkOn(store, { firstPartBytes: 1024 }).store(part([noise(1)]))
    expect(sizes.slice(0, 502)).toEqual([...Array<number>(500).fill(1024), 2048, 2048])
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(artifact.storedBytes)
    expect(most).toBeGreaterThan(1)
    expect(most).toBeLessThanOrEqual(4)
  })

  it('are reported as progress', async () => {
    const seen: { bytes?: number; parts?: number }[] = []
    const artifact = await sinkOn(createMemoryStore(), { firstPartBytes: 256 * 1024, onProgress: (progress) => seen.push(progress) }).store(
      part([noise(1)]),
    )
    expect(seen.at(-1)).toEqual({ phase: 'database', bytes: artifact.storedBytes, parts: seen.length })
  })

  it('wait by the limit of the moment, and not at all where there is none', async () => {
    let limit: number | undefined
    const bandwidth = createBandwidth(
      () => limit,
      () => 0,
    )
    await bandwidth.take(1_000_000_000)
    await bandwidth.take(1_000_000_000)
    limit = 1_000_000
    await bandwidth.take(5_000_000_000)
    const stop = new AbortController()
    const second = bandwidth.take(1, stop.signal)
    stop.abort(new Error('enough'))
    await expect(second).rejects.toThrow()
  })

  it('wait for the bandwidth that all uploads share', async () => {
    let clock = 0
    const bandwidth = createBandwidth(1_000_000, () => clock)
    await bandwidth.take(500)
    const second = bandwidth.take(500)
    let sent = false
    void second.then(() => {
      sent = true
    })
    expect(sent).toBe(false)
    await second
    clock = 10_000
    const started = performance.now()
    await bandwidth.take(1_000_000_000)
    expect(performance.now() - started).toBeLessThan(5_000)
  })
})

it('memory stays flat over hundreds of megabytes', async () => {
  const script = join(import.meta.dirname, '../../support/memory-probe.ts')
  const rss = async (mebibytes: number) =>
    Number((await run({ program: process.execPath, args: [script, String(mebibytes), identity.recipient] })).stdout)
  const [little, much] = [await rss(40), await rss(300)]
  expect(much).toBeLessThan(250)
  expect(much - little).toBeLessThan(60)
  expect(await readdir(dir)).toContain('identity.txt')
})
