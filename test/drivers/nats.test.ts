import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'nats'
import { openJetStream } from '../../scripts/sources/nats.ts'
import type { Target } from '../../src/drivers/driver.ts'
import { natsSource } from '../../src/drivers/nats/config.ts'
import { createDriver } from '../../src/drivers/nats/index.ts'
import { type JetStream, listStreams } from '../../src/drivers/nats/jetstream.ts'
import { withScratch } from '../../src/drivers/nats/server.ts'
import { processesIn } from '../../src/process/in-folder.ts'
import { describeDriver, type DriverHarness, type Tampering } from '../conformance/driver.ts'
import { keepStream } from '../support/nats.ts'

const on =
  (question: string, body?: object) =>
  ({ dir }: Target) =>
    withScratch(dir, undefined, async (js) => {
      await js.ask(question, body)
    })

/** What is done to a stream is undone by having it as it was before. */
function tampering(name: string, stream: string, red: RegExp, change: (target: Target) => Promise<void>): Tampering {
  let undo = async () => {}
  return {
    name,
    red,
    async change(target) {
      undo = await keepStream(target.dir, stream)
      await change(target)
    },
    undo: () => undo(),
  }
}

/** A message in the place of another: same stream, same subject, other bytes. */
async function alterLast({ dir }: Target): Promise<void> {
  await withScratch(dir, undefined, async (js) => {
    const { state } = await js.ask<{ state: { last_seq: number } }>('STREAM.INFO.KV_settings')
    const last = { seq: state.last_seq }
    const { message } = await js.ask<{ message: { subject: string; data: string } }>('STREAM.MSG.GET.KV_settings', last)
    await js.ask('STREAM.MSG.DELETE.KV_settings', last)
    await publishInto(js, 'KV_settings', message.subject, 'other')
  })
}

async function publishInto(js: JetStream, stream: string, subject: string, text: string): Promise<void> {
  const { config } = await js.ask<{ config: object }>(`STREAM.INFO.${stream}`)
  await js.ask(`STREAM.UPDATE.${stream}`, { ...config, subjects: [subject] })
  await js.nc.request(subject, text)
  await js.ask(`STREAM.UPDATE.${stream}`, config)
}

async function leaks({ dir, connection }: Target): Promise<string[]> {
  const found: string[] = []
  if (!/^nats:\/\/127\.0\.0\.1:\d+$/.test(connection)) found.push(connection)
  await connect({ servers: connection, reconnect: false }).then(
    async (nc) => {
      await nc.close()
      found.push('a client without the token is let in')
    },
    () => {},
  )
  const streams = await withScratch(dir, undefined, listStreams)
  for (const { config } of streams) {
    if (config.mirror || config.sources) found.push(`${config.name} fetches from elsewhere`)
    if (config.subjects?.some((subject) => !subject.startsWith('_holdfast.'))) found.push(`${config.name} listens`)
    if (config.max_age !== 0) found.push(`${config.name} forgets`)
  }
  if (/(cluster|leafnodes|gateway) *[:{]/.test(await readFile(join(dir, 'server.conf'), 'utf8'))) found.push('it is joined to others')
  return found
}

async function openHarness(): Promise<DriverHarness> {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-nats-sample-'))
  const scratchRoot = await mkdtemp(join(tmpdir(), 'holdfast-scratch-'))
  const sample = await openJetStream(dir)
  const config = natsSource.parse({ driver: 'nats', repository: 'hot', ...sample.config })
  return {
    driver: await createDriver(config, { source: 'orders', secret: async () => sample.env['SAMPLE_NATS_TOKEN'] ?? '' }),
    scratchRoot,
    state: () => sample.contents(),
    leftovers: () => sample.leftovers(),
    alive: async (folder) => (await processesIn(folder)).length > 0,
    leaks,
    assertions: {
      holds: { name: 'settings', stream: 'KV_settings', subject: '$KV.settings.mode', atLeast: 3, contains: 'fast' },
      red: [
        { name: 'too few', stream: 'ORDERS', atLeast: 100_000 },
        { name: 'another value', stream: 'KV_settings', subject: '$KV.settings.mode', contains: 'slow' },
        { name: 'no such subject', stream: 'ORDERS', subject: 'nothing.>', atLeast: 0, contains: 'x' },
        { name: 'no such stream', stream: 'NOTHING' },
      ],
    },
    tamperings: [
      tampering('one missing message', 'ORDERS', /^(stream|content) ORDERS$/, on('STREAM.MSG.DELETE.ORDERS', { seq: 50 })),
      tampering('one added message', 'ORDERS', /^stream ORDERS$/, ({ dir: folder }) =>
        withScratch(folder, undefined, (js) => publishInto(js, 'ORDERS', 'orders.new.1', 'added')),
      ),
      tampering('one altered value', 'KV_settings', /^(stream|content) KV_settings$/, alterLast),
      tampering('a missing stream', 'JOBS', /^stream JOBS$/, on('STREAM.DELETE.JOBS')),
      tampering('a missing consumer', 'ORDERS', /^consumer ORDERS\/billing$/, on('CONSUMER.DELETE.ORDERS.billing')),
      tampering('a consumer that has gone on', 'ORDERS', /^consumer ORDERS\/shipping$/, ({ dir: folder }) =>
        withScratch(folder, undefined, async (js) => {
          await js.nc.request('$JS.API.CONSUMER.MSG.NEXT.ORDERS.shipping', JSON.stringify({ batch: 1 }), { noMux: true, timeout: 5_000 })
        }),
      ),
      {
        name: 'an added stream',
        red: /^no other streams$/,
        change: on('STREAM.CREATE.EXTRA', { name: 'EXTRA', subjects: ['extra'], storage: 'file', retention: 'limits' }),
        undo: on('STREAM.DELETE.EXTRA'),
      },
      tampering('another limit', 'CACHE', /^config CACHE$/, async ({ dir: folder }) =>
        withScratch(folder, undefined, async (js) => {
          const { config: now } = await js.ask<{ config: object }>('STREAM.INFO.CACHE')
          await js.ask('STREAM.UPDATE.CACHE', { ...now, max_msgs: 1_000_000 })
        }),
      ),
    ],
    async close() {
      await sample.close()
      for (const folder of [dir, scratchRoot]) await rm(folder, { recursive: true, force: true })
    },
  }
}

describeDriver('nats', openHarness)
