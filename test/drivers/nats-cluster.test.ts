/** What is otherwise in a cluster: three servers, streams on all of them. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AckPolicy, connect, type JetStreamManager, type NatsConnection, RetentionPolicy } from 'nats'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { findProgram } from '../../scripts/toolbox/find.ts'
import { type NatsServer, startNats } from '../../scripts/toolbox/nats.ts'
import { freePort } from '../../scripts/toolbox/ports.ts'
import { natsSource } from '../../src/drivers/nats/config.ts'
import { createDriver } from '../../src/drivers/nats/index.ts'
import type { SourceDriver } from '../../src/drivers/driver.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { contextFor, failures, nextRequest, openRepository, type Repository, takePoint } from '../conformance/driver.ts'

let servers: NatsServer[]
let nc: NatsConnection
let jsm: JetStreamManager
let driver: SourceDriver
let repository: Repository
let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-nats-cluster-'))
  repository = await openRepository()
  const ports = [await freePort(), await freePort(), await freePort()]
  const routes = ports.map((port) => `"nats://127.0.0.1:${port}"`).join(', ')
  servers = await Promise.all(
    ports.map((port, index) =>
      startNats({ config: `server_name: n${index}\ncluster { name: trio, listen: "127.0.0.1:${port}", routes: [${routes}] }` }),
    ),
  )
  const urls = servers.map(({ url }) => url)
  nc = await connect({ servers: urls })
  jsm = await nc.jetstreamManager()
  const config = natsSource.parse({ driver: 'nats', repository: 'hot', servers: urls, programs: { server: findProgram('nats-server') } })
  driver = await createDriver(config, { source: 'orders', secret: async (reference) => reference })
}, 60_000)
afterAll(async () => {
  await nc?.close()
  await Promise.all((servers ?? []).map((server) => server.stop()))
  for (const folder of [repository?.dir, dir]) if (folder) await rm(folder, { recursive: true, force: true })
})

it('streams of three replicas are proved on one server, and restored over the live ones with all three', async () => {
  // The servers know of each other a moment after each is well.
  await expect
    .poll(
      () =>
        jsm.streams.add({ name: 'A', subjects: ['a.>'], num_replicas: 3 }).then(
          () => true,
          () => false,
        ),
      { timeout: 30_000 },
    )
    .toBe(true)
  await jsm.streams.add({ name: 'ONE', subjects: ['one.>'], num_replicas: 1 })
  for (let number = 1; number <= 20; number += 1) await nc.jetstream().publish('a.x', `${number}`)
  await nc.jetstream().publish('one.x', '1')
  for (const [stream, replicas] of [
    ['A', 3],
    ['A', 1],
  ] as const)
    await jsm.consumers.add(stream, { durable_name: `w${replicas}`, ack_policy: AckPolicy.Explicit, num_replicas: replicas })
  await jsm.streams.add({ name: 'INTEREST', subjects: ['i.>'], num_replicas: 3, retention: RetentionPolicy.Interest })
  await jsm.consumers.add('INTEREST', { durable_name: 'all', ack_policy: AckPolicy.Explicit, num_replicas: 3 })
  for (let number = 1; number <= 5; number += 1) await nc.jetstream().publish('i.x', `${number}`)
  await jsm.streams.add({ name: 'PLAIN', subjects: ['p.>'], num_replicas: 3 })
  await jsm.consumers.add('PLAIN', { durable_name: 'inherits', ack_policy: AckPolicy.Explicit })
  for (let number = 1; number <= 5; number += 1) await nc.jetstream().publish('p.x', `${number}`)
  for (const name of ['w1', 'w3']) {
    const batch = await (await nc.jetstream().consumers.get('A', name)).fetch({ max_messages: 10 })
    for await (const message of batch) if (message.seq <= 2 || message.seq > 4) await message.ackAck()
  }
  const manifest = await takePoint(driver, repository, nextRequest())
  expect(manifest.inventory?.['consumer A/w3']).toMatchObject({ ackFloor: 2, delivered: 2, deliveredUpTo: 10 })
  const source = createSource({ store: repository.store, identityFile: repository.identity.file })
  const scratch = join(dir, 'scratch')
  const { target } = await driver.restore(contextFor(), manifest, source, { dir: scratch })
  expect(failures(await driver.verify(contextFor(), manifest, target, { depth: 'full', assertions: [] }))).toEqual([])
  await driver.destroy({ dir: scratch })

  await nc.jetstream().publish('a.x', 'too much')
  for (const name of ['ONE', 'INTEREST']) await jsm.streams.delete(name)
  const live = driver.live
  const confirm = (await live?.fingerprint()) ?? ''
  expect(confirm).toMatch(/^trio\//)
  await live?.check(manifest, confirm)
  await live?.swap(manifest, confirm, undefined, { context: contextFor(), source, dir: join(dir, 'swap'), choice: {} })
  const { config, state, cluster } = await jsm.streams.info('A')
  expect([config.num_replicas, state.messages, cluster?.replicas?.length]).toEqual([3, 20, 2])
  expect((await jsm.streams.info('ONE')).state.messages).toBe(1)
  expect((await jsm.streams.info('INTEREST')).state.messages).toBe(5)
  expect((await jsm.consumers.info('INTEREST', 'all')).config.num_replicas).toBe(3)
  expect((await jsm.consumers.info('PLAIN', 'inherits')).num_pending).toBe(5)
  const next = await (await nc.jetstream().consumers.get('A', 'w3')).next({ expires: 10_000 })
  expect(next?.seq).toBe(3)
  expect((await jsm.streams.list().next()).map((info) => info.config.name).sort()).toEqual(['A', 'INTEREST', 'ONE', 'PLAIN'])
}, 120_000)
