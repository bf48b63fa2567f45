/** What the driver's README says is done as it stands there. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect } from 'nats'
import { parse } from 'yaml'
import { lookUp } from '../../scripts/toolbox/find.ts'
import { startNats } from '../../scripts/toolbox/nats.ts'
import { sourceSchema } from '../../src/config/schema.ts'
import { createDriver } from '../../src/drivers/nats/index.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { run } from '../../src/process/run.ts'
import { contextFor, nextRequest, openRepository, type Repository, takePoint } from '../conformance/driver.ts'
import { type Nats, openNats } from '../support/nats.ts'

const readme = await readFile('src/drivers/nats/README.md', 'utf8')
const block = (language: string) => new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(readme)?.[1] ?? ''
/** The command of natscli, or its stand-in where it is not installed. */
const cli = dirname(lookUp('nats') ?? join(import.meta.dirname, '../support/stand-ins/nats-cli/nats'))

describe('the README of nats', () => {
  let nats: Nats
  let repository: Repository
  let dir: string
  beforeAll(async () => {
    nats = await openNats()
    repository = await openRepository()
    dir = await mkdtemp(join(tmpdir(), 'holdfast-nats-readme-'))
    const jsm = await nats.nc.jetstreamManager()
    await jsm.streams.add({ name: 'ORDERS', subjects: ['orders.>'] })
    for (let number = 1; number <= 100; number += 1) await nats.nc.jetstream().publish('orders.x', `order ${number}`)
    await jsm.consumers.add('ORDERS', { durable_name: 'billing' })
  })
  afterAll(async () => {
    await nats?.close()
    for (const folder of [repository?.dir, dir]) if (folder) await rm(folder, { recursive: true, force: true })
  })
  const shell = (script: string, env: Record<string, string> = {}) =>
    run(
      { program: 'sh', args: ['-e', '-c', script], cwd: dir, env: { PATH: `${cli}:${process.env['PATH']}`, ...env } },
      { timeoutMs: 30_000 },
    )

  it('shows a configuration that holds', () => {
    const { sources } = parse(block('yaml')) as { sources: Record<string, unknown> }
    expect(sourceSchema.parse(sources['events'])).toMatchObject({ driver: 'nats', schedules: { scheduled: { calendar: 'hourly' } } })
  })

  it('shows rights that are enough for a backup', async () => {
    const account = `authorization { users: [{ user: holdfast, password: secret, permissions: { ${block('conf')} } }] }`
    const server = await startNats({ dir: join(dir, 'rights'), config: account.replace(' }] }', ' }, { user: all, password: all }] }') })
    try {
      const nc = await connect({ servers: server.url, user: 'all', pass: 'all' })
      await (await nc.jetstreamManager()).streams.add({ name: 'ORDERS', subjects: ['orders.>'] })
      for (let number = 0; number < 100; number += 1) await nc.jetstream().publish('orders.x', Buffer.alloc(10_000, number))
      await nc.close()
      const driver = await createDriver(nats.config({ servers: [server.url], user: 'holdfast', password: 'secret' }), {
        source: 'events',
        secret: async (reference) => reference,
      })
      const manifest = await takePoint(driver, repository, nextRequest())
      expect(manifest.inventory?.['stream ORDERS']).toMatchObject({ messages: 100, contentMessages: 100 })
    } finally {
      await server.stop()
    }
  })

  it('restores a stream by hand, with its messages and consumers', async () => {
    const manifest = await takePoint(await nats.driver(), repository, nextRequest())
    for (const { part, key } of manifest.artifacts) {
      const chunks: Buffer[] = []
      for await (const chunk of await repository.store.get(key)) chunks.push(Buffer.from(chunk as Buffer))
      await writeFile(join(dir, `${part.replace('ORDERS/', '')}.zst.age`), Buffer.concat(chunks))
    }
    await writeFile(join(dir, 'key.txt'), await readFile(repository.identity.file))
    const jsm = await nats.nc.jetstreamManager()
    await jsm.streams.delete('ORDERS')
    await shell(block('sh'), { NATS_URL: nats.server.url })
    expect((await jsm.streams.info('ORDERS')).state).toMatchObject({ messages: 100, first_seq: 1, last_seq: 100 })
    expect((await jsm.streams.getMessage('ORDERS', { seq: 77 })).string()).toBe('order 77')
    expect((await jsm.consumers.info('ORDERS', 'billing')).num_pending).toBe(100)
    expect(JSON.parse(await readFile(join(dir, 'ORDERS/consumers.json'), 'utf8'))).toMatchObject({
      stream: 'ORDERS',
      consumers: [{ name: 'billing' }],
    })
  })

  it('names a command that looks into what was restored beside, for whoever may read its token', async () => {
    const driver = await nats.driver()
    const manifest = await takePoint(driver, repository, nextRequest())
    const beside = join(dir, 'beside')
    const source = createSource({ store: repository.store, identityFile: repository.identity.file })
    const { target } = await driver.restore(contextFor(), manifest, source, { dir: beside })
    try {
      expect((await shell(target.connect ?? '')).stdout).toContain('ORDERS')
      const token = await readFile(join(beside, 'token'), 'utf8')
      expect(JSON.stringify(target)).not.toContain(token)
    } finally {
      await driver.destroy({ dir: beside })
    }
  })
})
