import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AckPolicy, headers, Match, RetentionPolicy, type StreamConfig } from 'nats'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Manifest } from '../../src/core/records.ts'
import type { ArtifactSink, Captured, SourceDriver } from '../../src/drivers/driver.ts'
import { withScratch } from '../../src/drivers/nats/server.ts'
import { createSink } from '../../src/pipeline/capture.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { contextFor, failures, nextRequest, openRepository, type Repository } from '../conformance/driver.ts'
import { manifestOf } from '../support/manifest.ts'
import { type Nats, openNats } from '../support/nats.ts'

let nats: Nats
let repository: Repository
let root: string
let driver: SourceDriver
beforeAll(async () => {
  repository = await openRepository()
  root = await mkdtemp(join(tmpdir(), 'holdfast-scratch-'))
})
afterAll(async () => {
  for (const dir of [repository?.dir, root]) if (dir) await rm(dir, { recursive: true, force: true })
})
beforeEach(async () => {
  nats = await openNats()
  driver = await nats.driver()
  return () => nats.close()
})

const add = async (name: string, more: Partial<StreamConfig> = {}) =>
  (await nats.nc.jetstreamManager()).streams.add({ name, subjects: [`${name}.>`], ...more })
const send = async (subject: string, count: number, more: Record<string, string> = {}) => {
  for (let number = 1; number <= count; number += 1) {
    const own = headers()
    for (const [key, value] of Object.entries(more)) own.set(key, value, Match.Exact)
    await nats.nc.jetstream().publish(subject, `${subject} ${number}`, { headers: own })
  }
}
const state = async (name: string) => (await (await nats.nc.jetstreamManager()).streams.info(name)).state

/** A capture, with something that happens to the source while the snapshot of a stream is under way. */
async function take(meanwhile: Record<string, () => Promise<unknown>> = {}, by = driver): Promise<Manifest> {
  const request = nextRequest()
  const context = contextFor()
  const { versions } = await by.preflight(context)
  const prefix = `holdfast/v1/orders/${request.id}/data/`
  const sink = createSink({ store: repository.store, prefix, attempt: 1, recipients: [repository.identity.recipient] })
  const disturbed: ArtifactSink = {
    ...sink,
    async storeStream(part) {
      await meanwhile[part.part]?.()
      return sink.storeStream(part)
    },
  }
  const captured: Captured = await by.capture(context, request, disturbed)
  return manifestOf('nats', request, captured, versions)
}

const artifacts = () => createSource({ store: repository.store, identityFile: repository.identity.file })

async function prove(manifest: Manifest, tamper: (dir: string) => Promise<unknown> = async () => {}, parts?: string[]) {
  const dir = join(root, manifest.id)
  try {
    const { target } = await driver.restore(contextFor(), manifest, artifacts(), { dir, ...(parts && { choice: { parts } }) })
    await tamper(dir)
    return await driver.verify(contextFor(), manifest, target, { depth: 'full', assertions: [] })
  } finally {
    await driver.destroy({ dir })
  }
}

describe('a stream that is written to and deleted from while it is captured', () => {
  const disturb = async () => {
    await send('BUSY.more', 100)
    const jsm = await nats.nc.jetstreamManager()
    for (const seq of [1, 2, 3, 500, 1500]) await jsm.streams.deleteMessage('BUSY', seq)
    await jsm.streams.purge('BUSY', { filter: 'BUSY.b' })
  }
  beforeEach(async () => {
    await add('BUSY')
    await send('BUSY.a', 1000)
    await send('BUSY.b', 1000)
  })

  it('proves equal: what stayed, message by message; the count, within bounds', async () => {
    const manifest = await take({ 'BUSY/snapshot': disturb })
    const facts = manifest.inventory?.['stream BUSY'] ?? {}
    expect(facts).toMatchObject({ messages: 2000, messagesAtLeast: 996, contentMessages: 996, lastSeq: 2000 })
    expect(manifest.warnings).toEqual([])
    expect(failures(await prove(manifest))).toEqual([])
  })

  it('is told damage to what stayed', async () => {
    const manifest = await take({ 'BUSY/snapshot': disturb })
    const drop = (dir: string) => withScratch(dir, undefined, (js) => js.ask('STREAM.MSG.DELETE.BUSY', { seq: 700 }))
    expect(failures(await prove(manifest, drop)).map(({ name }) => name)).toEqual(['content BUSY'])
  })

  it('that is too large to be read twice is compared within bounds, with a warning', async () => {
    const manifest = await take({ 'BUSY/snapshot': disturb }, await nats.driver({ digestUpTo: '1kB' }))
    expect(manifest.inventory?.['stream BUSY']).not.toHaveProperty('content')
    expect(manifest.warnings).toEqual([expect.stringMatching(/BUSY: up to \d+ messages were removed/)])
    expect(failures(await prove(manifest))).toEqual([])
    const purge = (dir: string) => withScratch(dir, undefined, (js) => js.ask('STREAM.PURGE.BUSY', {}))
    expect(failures(await prove(manifest, purge)).map(({ name }) => name)).toEqual(['stream BUSY'])
  })

  it('that only grows is compared exactly', async () => {
    const manifest = await take({ 'BUSY/snapshot': () => send('BUSY.more', 50) })
    expect(manifest.inventory?.['stream BUSY']).toMatchObject({ messages: 2000, deleted: 0, contentMessages: 2000 })
    expect(manifest.inventory?.['stream BUSY']).not.toHaveProperty('messagesAtLeast')
    expect(failures(await prove(manifest))).toEqual([])
  })

  it('with consumers that go on is compared within what they passed', async () => {
    const jsm = await nats.nc.jetstreamManager()
    await jsm.consumers.add('BUSY', { durable_name: 'w', ack_policy: AckPolicy.Explicit })
    const work = async (count: number) => {
      const batch = await (await nats.nc.jetstream().consumers.get('BUSY', 'w')).fetch({ max_messages: count })
      for await (const message of batch) await message.ackAck()
    }
    await work(10)
    const manifest = await take({ 'BUSY/snapshot': () => work(20) })
    expect(manifest.inventory?.['consumer BUSY/w']).toMatchObject({ ackFloor: 10, ackFloorUpTo: 30, delivered: 10, deliveredUpTo: 30 })
    expect(failures(await prove(manifest))).toEqual([])
  })
})

it('a stream that disappears during the capture is a warning, and no failure of the others', async () => {
  for (const name of ['A', 'B', 'C']) {
    await add(name)
    await send(`${name}.x`, 10)
  }
  const jsm = await nats.nc.jetstreamManager()
  const manifest = await take({ 'B/snapshot': () => jsm.streams.delete('A'), 'C/snapshot': () => jsm.streams.delete('C') })
  // Captured from the last to the first.
  expect(manifest.warnings).toEqual(
    ['C', 'A'].map((name) => `${name} was removed during the capture: it is not in this point`).filter(Boolean),
  )
  expect(Object.keys(manifest.inventory ?? {})).toEqual(['stream B'])
  expect(failures(await prove(manifest))).toEqual([])
})

it('names that begin alike or are no words are kept apart', async () => {
  const names = ['A', 'a', 'A-1', 'A1', 'A%2F', "it's", 'x=1&y', 'Ünïcødé', 'Z'.repeat(250), 'Ü'.repeat(120)]
  for (const [index, name] of names.entries()) {
    await add(name, { subjects: [`s${index}.>`] })
    await send(`s${index}.x`, index + 1)
  }
  const manifest = await take()
  expect(failures(await prove(manifest))).toEqual([])
  expect(manifest.artifacts).toHaveLength(3 * names.length)
  const dir = join(root, 'named')
  const { target } = await driver.restore(contextFor(), manifest, artifacts(), { dir, choice: { parts: ['A1', 'Ünïcødé'] } })
  expect(target.database).toBe('A1, Ünïcødé')
  await driver.destroy({ dir })
})

it('include and exclude choose by name; a pattern that matches nothing is refused before the capture', async () => {
  for (const name of ['ORDERS', 'ORDERS-DLQ', 'KV_settings', 'AUDIT']) await add(name)
  const chosen = await nats.driver({ streams: { include: ['ORDERS*', 'KV_*'], exclude: ['*-DLQ'] } })
  const manifest = await take({}, chosen)
  expect(Object.keys(manifest.inventory ?? {})).toEqual(['stream ORDERS', 'stream KV_settings'])
  expect(manifest.inventory?.['stream KV_settings']).toMatchObject({ holds: 'key-value bucket settings' })
  const misspelt = await nats.driver({ streams: { include: ['ORDER', 'AUDIT'] } })
  const { findings } = await misspelt.preflight(contextFor())
  expect(findings.find(({ name }) => name === 'streams')).toMatchObject({ ok: false, required: true, detail: 'no stream matches ORDER' })
})

it('messages that are older than their stream keeps them are in the point, and stay in its copy', async () => {
  await add('SHORT', { max_age: 1.5e9 })
  await send('SHORT.x', 20)
  const manifest = await take()
  await expect.poll(async () => (await state('SHORT')).messages, { timeout: 20_000 }).toBe(0)
  const assertions = await prove(manifest)
  expect(failures(assertions)).toEqual([])
  expect(assertions.find(({ name }) => name === 'config SHORT')?.actual).toContain('apart from subjects, max_age')
  expect(manifest.inventory?.['stream SHORT']).toMatchObject({ messages: 20 })
})

it('messages whose own time has passed may be missing; those without one may not', async () => {
  await nats.ask((js) =>
    js.ask('STREAM.CREATE.TTL', { name: 'TTL', subjects: ['TTL.>'], storage: 'file', retention: 'limits', allow_msg_ttl: true }),
  )
  await send('TTL.stays', 10)
  await send('TTL.goes', 10, { 'Nats-TTL': '1s' })
  const manifest = await take()
  await expect.poll(async () => (await state('TTL')).messages, { timeout: 20_000 }).toBe(10)
  expect(manifest.inventory?.['stream TTL']).toMatchObject({ messages: 20, messagesAtLeast: 10, contentMessages: 10 })
  expect(failures(await prove(manifest))).toEqual([])
  const drop = (dir: string) => withScratch(dir, undefined, (js) => js.ask('STREAM.MSG.DELETE.TTL', { seq: 5 }))
  expect(failures(await prove(manifest, drop)).map(({ name }) => name)).toContain('content TTL')
})

it('streams that only some server could keep are compared on this one', async () => {
  await add('LARGE', { max_bytes: 1024 * 1024 * 1024 })
  await add('WORK', { retention: RetentionPolicy.Workqueue })
  await add('IDLE', { retention: RetentionPolicy.Interest })
  await send('LARGE.x', 3)
  await send('WORK.x', 3)
  // Nobody is interested: the sequence goes on, and nothing is kept.
  await send('IDLE.x', 3)
  await nats.ask(async (js) =>
    js.ask('STREAM.UPDATE.LARGE', { ...(await js.ask<{ config: object }>('STREAM.INFO.LARGE')).config, sealed: true }),
  )
  const assertions = await prove(await take())
  expect(failures(assertions)).toEqual([])
  expect(assertions.find(({ name }) => name === 'config LARGE')?.actual).toContain('apart from subjects, max_bytes')
})

it('key-value and object buckets give byte by byte what was put into them, restored over what was lost', async () => {
  const js = nats.nc.jetstream()
  const kv = await js.views.kv('k', { history: 3 })
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index))
  for (const value of ['one', 'two', bytes]) await kv.put('key', value)
  const os = await js.views.os('o')
  const large = Buffer.concat(Array.from({ length: 3000 }, () => bytes))
  await os.putBlob({ name: 'large' }, large)
  const manifest = await take()
  const jsm = await nats.nc.jetstreamManager()
  for (const name of ['KV_k', 'OBJ_o']) await jsm.streams.delete(name)
  const live = driver.live
  const filling = { context: contextFor(), source: artifacts(), dir: join(root, 'buckets'), choice: {} }
  await live?.swap(manifest, await live.fingerprint(), undefined, filling)
  const again = await js.views.kv('k')
  expect(Buffer.from((await again.get('key'))?.value ?? [])).toEqual(bytes)
  const history: string[] = []
  for await (const entry of await again.history({ key: 'key' })) history.push(Buffer.from(entry.value).toString('latin1'))
  expect(history).toEqual(['one', 'two', bytes.toString('latin1')])
  expect(Buffer.from((await (await js.views.os('o')).getBlob('large')) ?? []).equals(large)).toBe(true)
})
