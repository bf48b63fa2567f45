/** What the driver's README says is done as it stands there. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { eventStoreContents, fillEventStore } from '../../scripts/sources/event-store.ts'
import { type Cluster, createCluster, POSTGRES_BIN } from '../../scripts/toolbox/postgres.ts'
import { applicationSchema, projectionSchema } from '../../src/config/schema/applications.ts'
import { sourceSchema } from '../../src/config/schema.ts'
import { createPostgresEvents } from '../../src/drivers/postgres-events/index.ts'
import { run } from '../../src/process/run.ts'
import { nextRequest, openRepository, type Repository, takePoint } from '../conformance/driver.ts'
import { eventsConfig } from '../support/events.ts'

const readme = await readFile('src/drivers/postgres-events/README.md', 'utf8')
const block = (language: string) => new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(readme)?.[1] ?? ''

describe('the README of postgres-events', () => {
  let cluster: Cluster
  let repository: Repository
  let dir: string
  beforeAll(async () => {
    cluster = await createCluster({ dbname: 'store' })
    repository = await openRepository()
    dir = await mkdtemp(join(tmpdir(), 'hfe-'))
  })
  afterAll(async () => {
    await cluster?.destroy()
    if (repository) await rm(repository.dir, { recursive: true, force: true })
    if (dir) await rm(dir, { recursive: true, force: true })
  })

  it('shows a configuration that holds, and says what the defaults are', () => {
    const { sources, applications, projections } = parse(block('yaml')) as Record<string, Record<string, object>>
    const source = sourceSchema.parse(sources?.['nexus'])
    expect(source).toMatchObject({ driver: 'postgres-events', events: eventsConfig().events, baseline: { run: ['make', 'baseline'] } })
    expect(Object.keys('lenses' in source ? source.lenses : {})).toEqual(Object.keys(eventsConfig().lenses))
    expect(applicationSchema.parse(applications?.['services'])).toMatchObject({ type: 'command' })
    expect(projectionSchema.parse(projections?.['rel'])).toMatchObject({ body: { world_id: 'all', from_global_seq: 0 } })
  })

  it('brings schema, log, watermarks and a lens back by hand, and the next event has a number of its own', async () => {
    await fillEventStore(cluster, 'store', 30)
    const manifest = await takePoint(createPostgresEvents(eventsConfig(), cluster.connection('store')), repository, nextRequest())
    for (const { part, key } of manifest.artifacts) {
      const chunks: Buffer[] = []
      for await (const chunk of await repository.store.get(key)) chunks.push(Buffer.from(chunk as Buffer))
      await writeFile(join(dir, `${part}.zst.age`), Buffer.concat(chunks))
    }
    await writeFile(join(dir, 'key.txt'), await readFile(repository.identity.file))
    const env = {
      PGHOST: cluster.address,
      PGPORT: String(cluster.port),
      PGUSER: cluster.user,
      PATH: `${POSTGRES_BIN}:${process.env['PATH']}`,
    }
    await run({ program: 'sh', args: ['-e', '-c', block('sh')], cwd: dir, env }, { timeoutMs: 60_000 })
    const before = await eventStoreContents(cluster, 'store')
    const after = await eventStoreContents(cluster, 'nexus')
    for (const table of Object.keys(before))
      expect(after[table], table).toEqual(/^(event_core|lens_rel)/.test(table) ? before[table] : expect.stringMatching(/^0 /))
    const [next] = await cluster.query(`select nextval('event_core.event_log_global_seq_seq')::int as n`, 'nexus')
    expect(next).toEqual({ n: 31 })
  })
})
