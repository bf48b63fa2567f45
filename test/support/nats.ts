/** NATS servers and their streams, as the tests of the driver need them. */
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { connect, type NatsConnection } from 'nats'
import { findProgram } from '../../scripts/toolbox/find.ts'
import { type NatsOptions, type NatsServer, startNats } from '../../scripts/toolbox/nats.ts'
import { natsSource, type NatsSourceConfig } from '../../src/drivers/nats/config.ts'
import { createDriver } from '../../src/drivers/nats/index.ts'
import { type JetStream, type Place, streamInfo, withJetStream } from '../../src/drivers/nats/jetstream.ts'
import { loadStream } from '../../src/drivers/nats/load.ts'
import { withScratch } from '../../src/drivers/nats/server.ts'
import { openSnapshot } from '../../src/drivers/nats/snapshot.ts'
import type { SourceDriver } from '../../src/drivers/driver.ts'

export interface Nats {
  server: NatsServer
  nc: NatsConnection
  place: Place
  config(more?: Record<string, unknown>): NatsSourceConfig
  driver(more?: Record<string, unknown>): Promise<SourceDriver>
  /** The raw API, as the driver asks it. */
  ask<T>(work: (js: JetStream) => Promise<T>): Promise<T>
  close(): Promise<void>
}

export async function openNats(options: NatsOptions = {}): Promise<Nats> {
  const server = await startNats(options)
  const nc = await connect({ servers: server.url, ...(options.token && { token: options.token }), name: 'test' })
  const place: Place = { servers: server.url, options: async () => ({ servers: server.url }) }
  const config = (more: Record<string, unknown> = {}) =>
    natsSource.parse({
      driver: 'nats',
      repository: 'hot',
      servers: [server.url],
      programs: { server: findProgram('nats-server') },
      ...more,
    })
  return {
    server,
    nc,
    place,
    config,
    driver: (more) => createDriver(config(more), { source: 'orders', secret: async (reference) => reference }),
    ask: (work) => withJetStream(place, undefined, work),
    async close() {
      await nc.close()
      await server.stop()
    },
  }
}

/** The stream of a scratch server as it is, to be put back: what is deleted from a stream cannot be added to it again. */
export async function keepStream(dir: string, name: string): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-kept-'))
  const file = join(folder, 'snapshot')
  const { config, state } = await withScratch(dir, undefined, async (js) => {
    const snapshot = await openSnapshot(js, name, { created: (await streamInfo(js, name)).created })
    await pipeline(snapshot.stream, createWriteStream(file))
    return snapshot
  })
  return async () => {
    await withScratch(dir, undefined, async (js) => {
      await js.ask(`STREAM.DELETE.${name}`).catch(() => {})
      await loadStream(js, { config, state, file, signal: new AbortController().signal, onBytes: () => {} })
    })
    await rm(folder, { recursive: true })
  }
}
