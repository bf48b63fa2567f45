import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AckPolicy } from 'nats'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openJetStream } from '../../scripts/sources/nats.ts'
import type { Manifest } from '../../src/core/records.ts'
import type { DriverContext, Filling, LiveRestore, RestoreChoice } from '../../src/drivers/driver.ts'
import { natsSource } from '../../src/drivers/nats/config.ts'
import { createDriver } from '../../src/drivers/nats/index.ts'
import { createSink } from '../../src/pipeline/capture.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { contextFor, nextRequest, openRepository, type Repository, takePoint } from '../conformance/driver.ts'
import { type Nats, openNats } from '../support/nats.ts'

let repository: Repository
let dir: string
beforeAll(async () => {
  repository = await openRepository()
  dir = await mkdtemp(join(tmpdir(), 'holdfast-nats-live-'))
})
afterAll(async () => {
  await rm(dir, { recursive: true, force: true })
  await rm(repository.dir, { recursive: true, force: true })
})

const filling = (choice: RestoreChoice = {}, context: DriverContext = contextFor()): Filling => ({
  context,
  source: createSource({ store: repository.store, identityFile: repository.identity.file, signal: context.signal }),
  dir: join(dir, 'swap'),
  choice,
})

it('every kind of stream, bucket and consumer comes back over what was lost as it was at the moment of the capture', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-nats-sample-'))
  const sample = await openJetStream(folder)
  try {
    const config = natsSource.parse({ driver: 'nats', repository: 'hot', ...sample.config })
    const driver = await createDriver(config, { source: 'orders', secret: async () => sample.env['SAMPLE_NATS_TOKEN'] ?? '' })
    const live = driver.live as LiveRestore
    const before = await sample.contents()
    const manifest = await takePoint(driver, repository, nextRequest())
    await sample.change()
    await sample.destroy()
    expect(await sample.contents()).not.toBe(before)
    const confirm = await live.fingerprint()
    await live.check(manifest, confirm)
    const place = filling()
    expect((await live.restoreAside(place.context, manifest, place.source, place)).bytes).toBeGreaterThan(0)
    await live.swap(manifest, confirm, undefined, place)
    expect(await sample.contents()).toBe(before)
    expect(await sample.leftovers()).toEqual([])
  } finally {
    await sample.close()
    await rm(folder, { recursive: true, force: true })
  }
}, 120_000)

describe('over live streams', () => {
  let nats: Nats
  let live: LiveRestore
  let manifest: Manifest
  const send = async (subject: string, ...texts: string[]) => {
    for (const text of texts) await nats.nc.jetstream().publish(subject, text)
  }
  const info = async (stream: string) => (await nats.nc.jetstreamManager()).streams.info(stream)
  const names = async () => (await (await nats.nc.jetstreamManager()).streams.list().next()).map(({ config }) => config.name).sort()
  const texts = async (stream: string) => {
    const { state } = await info(stream)
    const jsm = await nats.nc.jetstreamManager()
    const all: string[] = []
    for (let seq = state.first_seq; seq <= state.last_seq; seq += 1) all.push((await jsm.streams.getMessage(stream, { seq })).string())
    return all
  }
  const openLive = async (more: Record<string, unknown> = {}) => (await nats.driver(more)).live as LiveRestore
  const restore = async (choice: RestoreChoice = {}, over = live) => {
    const confirm = await over.fingerprint()
    await over.check(manifest, confirm, choice)
    return over.swap(manifest, confirm, undefined, filling(choice))
  }

  beforeEach(async () => {
    nats = await openNats()
    const jsm = await nats.nc.jetstreamManager()
    await jsm.streams.add({ name: 'A', subjects: ['a.>'] })
    await jsm.streams.add({ name: 'B', subjects: ['b.>'] })
    await jsm.consumers.add('A', { durable_name: 'w', ack_policy: AckPolicy.Explicit, filter_subject: 'a.x' })
    await send('a.x', '1', '2', '3')
    await send('b.x', '1', '2')
    const batch = await (await nats.nc.jetstream().consumers.get('A', 'w')).fetch({ max_messages: 2 })
    for await (const message of batch) await message.ackAck()
    live = await openLive()
    manifest = await takePoint(await nats.driver(), repository, nextRequest())
    await send('a.x', '4', '5')
    await send('b.x', '3')
    return () => nats.close()
  })

  it('is refused without the fingerprint, and the answer shows the command that is right', async () => {
    const fingerprint = await live.fingerprint()
    expect(fingerprint).toMatch(/^unnamed\/-\/\$G\/[0-9a-f]{16}$/)
    const refused = {
      code: 'CONFIRM_MISMATCH',
      details: { fingerprint },
      next: expect.stringContaining(`--live --confirm '${fingerprint}'`),
    }
    await expect(live.check(manifest, '')).rejects.toMatchObject(refused)
    await expect(live.check(manifest, fingerprint.replace('$G', '$H'))).rejects.toMatchObject(refused)
    await expect(live.swap(manifest, 'other', undefined, filling())).rejects.toMatchObject(refused)
    await live.check(manifest, fingerprint)
    const jsm = await nats.nc.jetstreamManager()
    await jsm.streams.delete('B')
    await jsm.streams.add({ name: 'B', subjects: ['b.>'] })
    expect(await live.fingerprint()).not.toBe(fingerprint)
    expect(await texts('A')).toHaveLength(5)
  })

  it('replaces the streams, whose consumers go on where they were, and says what the engine does not bring back', async () => {
    const { notes = [] } = await restore()
    expect(await texts('A')).toEqual(['1', '2', '3'])
    expect(await texts('B')).toEqual(['1', '2'])
    const message = await (await nats.nc.jetstream().consumers.get('A', 'w')).next({ expires: 5_000 })
    expect(message?.string()).toBe('3')
    await send('a.x', 'new')
    expect((await info('A')).state.last_seq).toBe(4)
    expect(notes.join('\n')).toMatch(/no message ids from before are remembered.*\(A, B\)/)
    expect(await names()).toEqual(['A', 'B'])
  })

  it('done twice is done once: what was written in between stays', async () => {
    const confirm = await live.fingerprint()
    await live.swap(manifest, confirm, undefined, filling())
    const { created } = await info('A')
    await send('a.x', 'new')
    await live.swap(manifest, confirm, undefined, filling())
    expect((await info('A')).created).toBe(created)
    expect(await texts('A')).toEqual(['1', '2', '3', 'new'])
  })

  it('of parts leaves the others alone', async () => {
    await restore({ parts: ['A'] })
    expect([await texts('A'), await texts('B')]).toEqual([
      ['1', '2', '3'],
      ['1', '2', '3'],
    ])
    await expect(restore({ parts: ['C'] })).rejects.toMatchObject({ code: 'INPUT_INVALID', next: expect.stringContaining('A, B') })
  })

  it('with mode empty restores only what is gone', async () => {
    await expect(restore({ mode: 'empty' })).rejects.toMatchObject({ code: 'SOURCE_UNFIT', message: expect.stringContaining('A, B') })
    await (await nats.nc.jetstreamManager()).streams.delete('A')
    await restore({ mode: 'empty', parts: ['A'] })
    expect(await texts('A')).toEqual(['1', '2', '3'])
    await expect(restore({ mode: 'upsert' })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  })

  it('is refused where another stream takes its subjects by now', async () => {
    const jsm = await nats.nc.jetstreamManager()
    await jsm.streams.delete('A')
    await jsm.streams.add({ name: 'A2', subjects: ['a.*.more', 'a.x'] })
    await expect(restore()).rejects.toMatchObject({
      code: 'SOURCE_UNFIT',
      message: 'A takes a.>, and A2, which is not restored, takes a.*.more',
    })
    expect(await texts('B')).toHaveLength(3)
  })

  it('is refused where what is beside a snapshot is of another stream', async () => {
    const point = structuredClone(manifest)
    for (const artifact of point.artifacts) artifact.part = artifact.part.replace(/^[AB]/, (name) => (name === 'A' ? 'B' : 'A'))
    const confirm = await live.fingerprint()
    await expect(live.swap(point, confirm, undefined, filling())).rejects.toMatchObject({ code: 'INTEGRITY' })
    expect([await texts('A'), await texts('B')].map(({ length }) => length)).toEqual([5, 3])
  })

  it('is refused on a server that is older than the one of the snapshot', async () => {
    const newer = structuredClone(manifest)
    for (const stream of Object.values(newer.consistency['streams'] as Record<string, { version: string }>)) stream.version = '2.99.0'
    await expect(live.check(newer, await live.fingerprint())).rejects.toMatchObject({
      code: 'VERSION_UNFIT',
      next: expect.stringContaining('2.99.0'),
    })
  })

  it('is refused where the worker has no room', async () => {
    const huge = structuredClone(manifest)
    for (const stream of Object.values(huge.consistency['streams'] as Record<string, { bytes: number }>)) stream.bytes = 1e17
    await expect(live.check(huge, await live.fingerprint())).rejects.toMatchObject({ code: 'SPACE_SHORT' })
  })

  it.each(['fetch A', 'restore A', 'fetch B', 'restore B'])(
    'that was stopped at "%s" goes on where it was, with the confirmation it had',
    async (phase) => {
      const confirm = await live.fingerprint()
      const context = contextFor((progress) => progress.phase === phase)
      await expect(live.swap(manifest, confirm, undefined, filling({}, context))).rejects.toMatchObject({ code: 'CANCELLED' })
      const first = phase.endsWith('B') ? await info('A') : undefined
      await live.check(manifest, confirm)
      await live.swap(manifest, confirm, undefined, filling())
      expect([await texts('A'), await texts('B')]).toEqual([
        ['1', '2', '3'],
        ['1', '2'],
      ])
      if (first) expect((await info('A')).created).toBe(first.created)
      expect(await names()).toEqual(['A', 'B'])
    },
  )

  it('does not delete a stream that somebody made in the place of one that it had deleted', async () => {
    const confirm = await live.fingerprint()
    const context = contextFor(({ phase }) => phase === 'fetch B')
    await expect(live.swap(manifest, confirm, undefined, filling({}, context))).rejects.toMatchObject({ code: 'CANCELLED' })
    const jsm = await nats.nc.jetstreamManager()
    await jsm.streams.delete('B')
    await jsm.streams.add({ name: 'B', subjects: ['b.>'] })
    await send('b.x', 'of somebody')
    await expect(live.swap(manifest, confirm, undefined, filling())).rejects.toMatchObject({ code: 'STORE_CONFLICT', object: 'B' })
    expect(await texts('B')).toEqual(['of somebody'])
    await jsm.streams.delete('B')
    await live.swap(manifest, confirm, undefined, filling())
    expect(await texts('B')).toEqual(['1', '2'])
  })

  it('of what is not equal to its manifest ends on the worker, before anything is touched', async () => {
    const altered = structuredClone(manifest)
    Object.assign(altered.inventory?.['stream A'] ?? {}, { content: '0'.repeat(64) })
    const place = filling()
    await expect(live.restoreAside(place.context, altered, place.source, place)).rejects.toMatchObject({
      code: 'VERIFY_FAILED',
      message: expect.stringContaining('content A'),
    })
    expect(await readdir(dir)).toEqual([])
    expect(await texts('A')).toHaveLength(5)
  })

  it('that is not equal in its place stays closed to everybody, until it is', async () => {
    const confirm = await live.fingerprint()
    const altered = structuredClone(manifest)
    Object.assign(altered.inventory?.['stream A'] ?? {}, { messages: 4 })
    await expect(live.swap(altered, confirm, undefined, filling())).rejects.toMatchObject({ code: 'VERIFY_FAILED', object: 'A' })
    await expect(send('a.x', 'too early')).rejects.toThrow()
    await live.swap(manifest, confirm, undefined, filling())
    expect(await texts('A')).toEqual(['1', '2', '3'])
  })

  it('deletes nothing where the server refuses the stream for another reason than that it is there', async () => {
    const confirm = await live.fingerprint()
    const answer = manifest.artifacts.find(({ part }) => part === 'A/backup.json')
    const sink = createSink({ store: repository.store, prefix: 'altered/', attempt: 1, recipients: [repository.identity.recipient] })
    const altered = await sink.storeBytes({
      part: 'A/backup.json',
      role: 'stream-config',
      required: true,
      bytes: Buffer.from(JSON.stringify({ config: { name: 'A', subjects: ['a.>'], of_a_newer_server: true }, state: {} })),
    })
    const point = { ...manifest, artifacts: manifest.artifacts.map((artifact) => (artifact === answer ? altered : artifact)) }
    await expect(live.swap(point, confirm, undefined, filling())).rejects.toThrow('unknown field "of_a_newer_server"')
    expect(await texts('A')).toHaveLength(5)
  })

  describe('that others take messages from', () => {
    beforeEach(async () => {
      const jsm = await nats.nc.jetstreamManager()
      await jsm.streams.add({ name: 'COPY', sources: [{ name: 'A' }] })
      await expect.poll(async () => (await info('COPY')).state.messages).toBe(5)
    })

    it('tells a sourcing stream where to go on: it gets what is new, and nothing twice', async () => {
      const { notes = [] } = await restore()
      expect(notes.join('\n')).toContain('COPY goes on with A at 4')
      await send('a.x', 'new')
      await expect.poll(async () => texts('COPY'), { timeout: 30_000 }).toEqual(['1', '2', '3', '4', '5', 'new'])
    }, 60_000)

    it('a sourcing stream that is restored with its origin gets what is new, and nothing twice', async () => {
      manifest = await takePoint(await nats.driver(), repository, nextRequest())
      await send('a.x', '6')
      await restore({ parts: ['A', 'COPY'] })
      await send('a.x', 'new')
      await expect.poll(async () => texts('COPY'), { timeout: 30_000 }).toEqual(['1', '2', '3', '4', '5', 'new'])
    }, 60_000)

    it('is refused where the source is configured so, with a plan', async () => {
      const refusing = await openLive({ sourcing: 'refuse' })
      await expect(restore({ parts: ['A'] }, refusing)).rejects.toMatchObject({
        code: 'SOURCE_UNFIT',
        object: 'COPY',
        next: expect.stringContaining('opt_start_seq'),
      })
      await restore({ parts: ['B'] }, refusing)
    })

    it('is refused while a mirror is ahead of what it would become', async () => {
      const jsm = await nats.nc.jetstreamManager()
      await jsm.streams.add({ name: 'MIRROR', mirror: { name: 'A' } })
      await expect.poll(async () => (await info('MIRROR')).state.last_seq).toBe(5)
      await expect(restore()).rejects.toMatchObject({ code: 'SOURCE_UNFIT', object: 'MIRROR', next: expect.stringContaining('MIRROR') })
      expect(await texts('A')).toHaveLength(5)
    })
  })
})
