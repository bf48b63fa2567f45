import { randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { AckPolicy, RetentionPolicy } from 'nats'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { StreamConfig } from '../../src/drivers/nats/answers.ts'
import { addMissing } from '../../src/drivers/nats/consumers.ts'
import { findStream, type JetStream, listConsumers, streamInfo } from '../../src/drivers/nats/jetstream.ts'
import { loadStream } from '../../src/drivers/nats/load.ts'
import { MARK } from '../../src/drivers/nats/quiet.ts'
import { openSnapshot, type Snapshot, type SnapshotOptions } from '../../src/drivers/nats/snapshot.ts'
import { run } from '../../src/process/run.ts'
import { makeIdentity } from '../support/age.ts'
import { type Nats, openNats } from '../support/nats.ts'

let nats: Nats
let dir: string
beforeAll(async () => {
  nats = await openNats()
  dir = await mkdtemp(join(tmpdir(), 'holdfast-nats-snapshot-'))
})
afterAll(async () => {
  await nats?.close()
  await rm(dir, { recursive: true, force: true })
})

/** A stream of messages that do not compress. */
async function fill(name: string, messages: number, bytes: number, more: Partial<{ retention: RetentionPolicy }> = {}): Promise<void> {
  await (await nats.nc.jetstreamManager()).streams.add({ name, subjects: [`${name}.>`], ...more })
  for (let number = 0; number < messages; number += 1) await nats.nc.jetstream().publish(`${name}.x`, randomBytes(bytes))
}

const open = async (js: JetStream, name: string, more: Partial<SnapshotOptions> = {}): Promise<Snapshot> =>
  openSnapshot(js, name, { created: (await streamInfo(js, name)).created, ...more })

async function toFile(name: string, more: Partial<SnapshotOptions> = {}) {
  const file = join(dir, name)
  const snapshot = await nats.ask(async (js) => {
    const opened = await open(js, name, more)
    await pipeline(opened.stream, createWriteStream(file))
    return opened
  })
  return { ...snapshot, file }
}

const load = (config: StreamConfig, state: Snapshot['state'], file: string) =>
  nats.ask((js) => loadStream(js, { config, state, file, signal: new AbortController().signal, onBytes: () => {} }))

const under = (config: StreamConfig, name: string, mark = 'test'): StreamConfig => ({
  ...config,
  name,
  subjects: [`${name}.>`],
  metadata: { [MARK]: mark },
})

describe('a snapshot', () => {
  it.each([
    ['none', 0, 0],
    ['less than one chunk', 3, 100],
    ['many chunks', 64, 64 * 1024],
  ])('of %s comes whole, and is restored with every message', async (_, messages, bytes) => {
    const name = `S${messages}`
    await fill(name, messages, bytes)
    const { config, state, file } = await toFile(name)
    expect(state.messages).toBe(messages)
    const restored = await load(under(config, `${name}-AGAIN`), state, file)
    expect(restored.state).toMatchObject({
      messages,
      first_seq: Math.max(1, state.first_seq),
      last_seq: state.last_seq,
      bytes: state.bytes,
    })
  })

  it('waits for a reader that pauses for longer than the server does', async () => {
    await fill('PAUSE', 40, 4096)
    const read = async (more: Partial<SnapshotOptions>) =>
      nats.ask(async (js) => {
        const { stream } = await open(js, 'PAUSE', { chunkBytes: 1024, windowBytes: 2048, ...more })
        let bytes = 0
        for await (const chunk of stream) {
          // The pause is what is tested: nothing can be awaited in its place.
          if (bytes === 0) await delay(7_000)
          bytes += (chunk as Buffer).length
        }
        return bytes
      })
    expect(await read({})).toBeGreaterThan(40 * 4096)
    await expect(read({ bridgeBytes: 0 })).rejects.toMatchObject({
      code: 'SOURCE_UNREACHABLE',
      message: expect.stringContaining('408 No Flow Response'),
      retryable: true,
    })
  }, 40_000)

  it('keeps no more in memory for a pause than it is allowed', async () => {
    await fill('BOUND', 100, 4096)
    const pause = nats.ask(async (js) => {
      const { stream } = await open(js, 'BOUND', { chunkBytes: 1024, windowBytes: 2048, bridgeEveryMs: 20, bridgeBytes: 16 * 1024 })
      let chunks = 0
      for await (const _ of stream) if (++chunks === 1) await delay(7_000)
    })
    await expect(pause).rejects.toMatchObject({ message: expect.stringContaining('408') })
  }, 20_000)

  it('of a stream that is removed meanwhile breaks off, and says so', async () => {
    await fill('GONE', 64, 64 * 1024)
    const read = nats.ask(async (js) => {
      const { stream } = await open(js, 'GONE', { windowBytes: 128 * 1024 })
      let first = true
      for await (const _ of stream) {
        if (first) await js.ask('STREAM.DELETE.GONE')
        first = false
      }
    })
    await expect(read).rejects.toMatchObject({ code: 'NOT_FOUND', object: 'GONE' })
  }, 40_000)

  it('that stops when it is cancelled is cancelled, within seconds', async () => {
    await fill('STOP', 64, 64 * 1024)
    const cancel = new AbortController()
    const { withJetStream } = await import('../../src/drivers/nats/jetstream.ts')
    const read = withJetStream(nats.place, cancel.signal, async (js) => {
      const { stream } = await open(js, 'STOP', { windowBytes: 128 * 1024 })
      for await (const _ of stream) cancel.abort()
    })
    await expect(read).rejects.toMatchObject({ code: 'CANCELLED' })
  }, 10_000)
})

describe('a snapshot that is damaged', () => {
  let whole: Buffer
  let point: Snapshot & { file: string }
  beforeAll(async () => {
    await fill('SOUND', 80, 64 * 1024)
    point = await toFile('SOUND')
    whole = await readFile(point.file)
  })
  const restoreDamaged = async (bytes: Buffer): Promise<unknown> => {
    const file = join(dir, 'damaged')
    await writeFile(file, bytes)
    return load(under(point.config, 'DAMAGED'), point.state, file).catch((error: unknown) => error)
  }
  const shares = [0, 0.0001, 0.3, 0.7, 0.95, 0.9999]

  it.each(shares)('by truncation at %d of it is refused and leaves no partial stream', async (share) => {
    expect(await restoreDamaged(whole.subarray(0, Math.floor(whole.length * share)))).toMatchObject({ code: 'INTEGRITY' })
    expect(await nats.ask((js) => findStream(js, 'DAMAGED'))).toBeUndefined()
  })

  it.each(shares)('by one bit at %d of it is refused and leaves no partial stream', async (share) => {
    const flipped = Buffer.from(whole)
    const at = Math.floor(whole.length * share)
    flipped[at] = (flipped[at] as number) ^ 1
    expect(await restoreDamaged(flipped)).toMatchObject({ code: 'INTEGRITY' })
    expect(await nats.ask((js) => findStream(js, 'DAMAGED'))).toBeUndefined()
  })

  it('never costs a stream of somebody else under that name', async () => {
    const config = under(point.config, 'THEIRS', 'of somebody')
    await load(config, point.state, point.file)
    await expect(load(under(point.config, 'THEIRS'), point.state, point.file)).rejects.toThrow('10130')
    expect((await nats.ask((js) => streamInfo(js, 'THEIRS'))).state.messages).toBe(80)
  })

  it('nor one that somebody makes under that name while it is restored', async () => {
    const config = under(point.config, 'RACE')
    const racing = nats.ask((js) => {
      let theirs: Promise<unknown> | undefined
      const request: typeof js.nc.request = async (...args) => {
        // Between the server's consent and the first chunk.
        theirs ??= js.ask('STREAM.CREATE.RACE', { ...config, metadata: {} })
        await theirs
        return js.nc.request(...args)
      }
      const nc = { info: js.nc.info, request, isClosed: () => false } as typeof js.nc
      return loadStream(
        { ...js, nc },
        { config, state: point.state, file: point.file, signal: new AbortController().signal, onBytes: () => {} },
      )
    })
    await expect(racing).rejects.toThrow()
    expect(await nats.ask((js) => findStream(js, 'RACE'))).toBeDefined()
  })
})

it('memory stays flat however large a stream is', async () => {
  const script = join(import.meta.dirname, '../support/nats-memory-probe.ts')
  const { recipient } = await makeIdentity(dir)
  const rss = async (name: string, messages: number) => {
    await fill(name, messages, 512 * 1024)
    const { stdout } = await run({ program: process.execPath, args: [script, nats.server.url, name, recipient] })
    await (await nats.nc.jetstreamManager()).streams.delete(name)
    return Number(stdout)
  }
  const [little, much] = [await rss('LITTLE', 40), await rss('MUCH', 400)]
  // 180 MiB more of a stream, read twice.
  expect(much - little).toBeLessThan(100)
}, 120_000)

describe('consumers that a snapshot left out', () => {
  it.each([RetentionPolicy.Limits, RetentionPolicy.Workqueue])(
    'of a stream with retention %s begin after what they had acknowledged',
    async (retention) => {
      const name = `Q-${retention}`
      await fill(name, 10, 10, { retention })
      const jsm = await nats.nc.jetstreamManager()
      for (const durable of retention === RetentionPolicy.Limits ? ['kept', 'lost'] : ['lost'])
        await jsm.consumers.add(name, { durable_name: durable, ack_policy: AckPolicy.Explicit })
      await jsm.consumers.add(name, { ack_policy: AckPolicy.Explicit, inactive_threshold: 60e9 }).catch(() => {})
      const batch = await (await nats.nc.jetstream().consumers.get(name, 'lost')).fetch({ max_messages: 7 })
      let taken = 0
      for await (const message of batch) if (++taken <= 4) await message.ackAck()
      const recorded = await nats.ask((js) => listConsumers(js, name))
      await jsm.consumers.delete(name, 'lost')
      const { config } = await nats.ask((js) => streamInfo(js, name))
      expect(await nats.ask((js) => addMissing(js, config, { consumers: recorded }))).toEqual(['lost'])
      const next = await (await nats.nc.jetstream().consumers.get(name, 'lost')).next({ expires: 5_000 })
      expect(next?.seq).toBe(5)
      expect(await nats.ask((js) => addMissing(js, config, { consumers: recorded }))).toEqual([])
    },
  )
})
