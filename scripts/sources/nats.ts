/** A NATS server with streams of every kind: plain, mirrored, sourced, in memory, a work queue, key-value and object buckets, consumers on their way. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import {
  AckPolicy,
  connect,
  headers,
  type JetStreamClient,
  type JetStreamManager,
  type NatsConnection,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from 'nats'
import { until } from '../../src/process/wait.ts'
import { findProgram } from '../toolbox/find.ts'
import { type NatsServer, startNats } from '../toolbox/nats.ts'
import type { OpenSample, SampleSource } from './sample.ts'

const TOKEN = 'sample-token'
const ORDERS = 200
const CONSUMERS: Readonly<Record<string, { stream: string; subject: string; take: number; ack: number }>> = {
  billing: { stream: 'ORDERS', subject: 'orders.new.*', take: 40, ack: 40 },
  shipping: { stream: 'ORDERS', subject: 'orders.>', take: 30, ack: 20 },
  workers: { stream: 'JOBS', subject: 'jobs.>', take: 5, ack: 5 },
}

export const openJetStream: OpenSample = async (dir) => {
  const server = await startNats({ dir: join(dir, 'server'), token: TOKEN })
  const nc = await connect({ servers: server.url, token: TOKEN, name: 'sample' })
  try {
    await fill(nc)
    return sampleOn(server, nc)
  } catch (error) {
    await nc.close()
    await server.stop()
    throw error
  }
}

function sampleOn(server: NatsServer, nc: NatsConnection): SampleSource {
  return {
    driver: 'nats',
    config: {
      servers: [server.url],
      token: '${' + 'env:SAMPLE_NATS_TOKEN}',
      programs: { server: findProgram('nats-server') },
      verify: {
        assertions: [{ name: 'the newest setting is there', stream: 'KV_settings', subject: '$KV.settings.mode', contains: 'fast' }],
      },
    },
    env: { SAMPLE_NATS_TOKEN: TOKEN },
    contents: () => contentsOf(nc),
    change: () => change(nc),
    destroy: () => destroy(nc),
    leftovers: () => leftoversOf(server, nc),
    async close() {
      await nc.close()
      await server.stop()
    },
  }
}

async function fill(nc: NatsConnection): Promise<void> {
  const js = nc.jetstream()
  const jsm = await nc.jetstreamManager()
  const streams: Partial<StreamConfig>[] = [
    { name: 'ORDERS', subjects: ['orders.>'] },
    { name: 'JOBS', subjects: ['jobs.>'], retention: RetentionPolicy.Workqueue },
    { name: 'CACHE', subjects: ['cache.>'], storage: StorageType.Memory },
    { name: 'ORDERS-COPY', mirror: { name: 'ORDERS' } },
    { name: 'NEW-ORDERS', subjects: ['extra.>'], sources: [{ name: 'ORDERS', filter_subject: 'orders.new.*' }] },
  ]
  for (const config of streams) await jsm.streams.add(config)
  for (let number = 1; number <= ORDERS; number += 1) await publish(js, `orders.${number % 3 ? 'new' : 'paid'}.${number % 7}`, number)
  for (let number = 1; number <= 20; number += 1) await publish(js, `jobs.${number % 4}`, number)
  for (let number = 1; number <= 10; number += 1) await publish(js, `cache.${number}`, number)
  await until(async () => (await jsm.streams.info('ORDERS-COPY')).state.last_seq === ORDERS, waiting('the mirror'))
  const fetched = Math.ceil((ORDERS * 2) / 3)
  await until(async () => (await messagesIn(jsm, 'NEW-ORDERS')) === fetched, waiting('the sourcing stream'))
  for (const seq of [3, 77, ORDERS]) await jsm.streams.deleteMessage('ORDERS', seq)
  await fillBuckets(js)
  for (const [name, { stream, subject, take, ack }] of Object.entries(CONSUMERS)) {
    await jsm.consumers.add(stream, { durable_name: name, ack_policy: AckPolicy.Explicit, filter_subject: subject, ack_wait: 3600e9 })
    const batch = await (await js.consumers.get(stream, name)).fetch({ max_messages: take })
    let taken = 0
    for await (const message of batch) if (++taken <= ack) await message.ackAck()
  }
  await until(async () => (await messagesIn(jsm, 'JOBS')) === 15, waiting('the work queue'))
}

async function fillBuckets(js: JetStreamClient): Promise<void> {
  const settings = await js.views.kv('settings', { history: 5 })
  for (const mode of ['slow', 'medium', 'fast']) await settings.put('mode', mode)
  for (const key of ['one', 'two', 'three']) await settings.put(`limits.${key}`, `limit of ${key}`)
  await settings.delete('limits.two')
  await settings.purge('limits.three')
  const files = await js.views.os('files', { description: 'documents' })
  await files.put({ name: 'report.bin' }, webStream(noise(700_000)))
  await files.put({ name: 'gone.bin' }, webStream(noise(1000)))
  await files.delete('gone.bin')
}

const waiting = (what: string) => ({ timeoutMs: 30_000, what })
const messagesIn = async (jsm: JetStreamManager, stream: string): Promise<number> => (await jsm.streams.info(stream)).state.messages

async function publish(js: JetStreamClient, subject: string, number: number): Promise<void> {
  const own = headers()
  own.set('Order', `${number}`)
  await js.publish(subject, noise(100 + (number % 50), number), { headers: own, msgID: `${subject} ${number}` })
}

/** The same bytes for the same size and seed. */
function noise(size: number, seed = size): Buffer {
  const blocks = Array.from({ length: Math.ceil(size / 64) }, (_, index) => createHash('sha512').update(`${seed} ${index}`).digest())
  return Buffer.concat(blocks).subarray(0, size)
}

const webStream = (bytes: Buffer) => Readable.toWeb(Readable.from([bytes])) as unknown as ReadableStream<Uint8Array>

/** Every message of every stream, every position of every consumer, and the two buckets as their users see them. */
async function contentsOf(nc: NatsConnection): Promise<string> {
  const jsm = await nc.jetstreamManager()
  const lines: string[] = []
  for (const { config } of await jsm.streams
    .list()
    .next()
    .then((first) => first))
    lines.push(...(await streamLines(jsm, config.name)))
  return lines.sort().join('\n')
}

async function streamLines(jsm: JetStreamManager, stream: string): Promise<string[]> {
  const { state } = await jsm.streams.info(stream)
  const hash = createHash('sha256')
  for (let seq = state.first_seq; seq <= state.last_seq; seq += 1) {
    const message = await jsm.streams.getMessage(stream, { seq }).catch(() => undefined)
    if (message) hash.update(`${seq} ${message.subject} ${message.timestamp} ${message.header?.toString()}\n`).update(message.data)
  }
  const lines = [`${stream}: ${state.messages} messages, ${state.first_seq} to ${state.last_seq}, ${hash.digest('hex')}`]
  for (const { name, ack_floor: floor, delivered, num_ack_pending: pending } of await jsm.consumers.list(stream).next())
    lines.push(`${stream}/${name}: acknowledged to ${floor.stream_seq}, delivered to ${delivered.stream_seq}, ${pending} pending`)
  return lines
}

async function change(nc: NatsConnection): Promise<void> {
  const js = nc.jetstream()
  for (let number = ORDERS + 1; number <= ORDERS + 50; number += 1) await publish(js, `orders.new.${number % 7}`, number)
  const settings = await js.views.kv('settings')
  await settings.put('mode', 'broken')
  await settings.put('limits.four', 'added')
  await (await js.views.os('files')).put({ name: 'report.bin' }, webStream(noise(1234)))
  const batch = await (await js.consumers.get('ORDERS', 'billing')).fetch({ max_messages: 10 })
  for await (const message of batch) message.ack()
}

/** Streams that are gone, streams that are empty, and one that only has more than it should. */
async function destroy(nc: NatsConnection): Promise<void> {
  const jsm = await nc.jetstreamManager()
  await jsm.streams.purge('ORDERS')
  await jsm.consumers.delete('ORDERS', 'shipping')
  for (const stream of ['KV_settings', 'OBJ_files', 'JOBS', 'CACHE']) await jsm.streams.delete(stream)
}

async function leftoversOf({ monitorUrl }: NatsServer, nc: NatsConnection): Promise<string[]> {
  const jsm = await nc.jetstreamManager()
  const names = (await jsm.streams.list().next()).map(({ config }) => config.name).filter((name) => name.startsWith('HOLDFAST'))
  const { connections } = (await (await fetch(`${monitorUrl}/connz`)).json()) as { connections?: { name?: string }[] }
  return [...names, ...(connections ?? []).flatMap(({ name }) => (name?.startsWith('holdfast') ? [`connection ${name}`] : []))]
}
