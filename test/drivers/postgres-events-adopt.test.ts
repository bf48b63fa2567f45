/** Dumps of an event store by a script of somebody's own become points of it. */
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventStoreContents, fillEventStore } from '../../scripts/sources/event-store.ts'
import { type Cluster, createCluster, POSTGRES_BIN } from '../../scripts/toolbox/postgres.ts'
import type { Manifest } from '../../src/core/records.ts'
import { pgEnvironment } from '../../src/drivers/postgres-common/connect.ts'
import { createPostgresEvents } from '../../src/drivers/postgres-events/index.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { run } from '../../src/process/run.ts'
import { contextFor, failures, openRepository, type Repository } from '../conformance/driver.ts'
import { adoptFrom, findIn } from '../support/adopt.ts'
import { askSql, eventsConfig } from '../support/events.ts'

let cluster: Cluster
let repository: Repository
let root: string
beforeAll(async () => {
  cluster = await createCluster()
  repository = await openRepository()
  root = await mkdtemp(join(tmpdir(), 'holdfast-adopt-'))
  await chmod(root, 0o755)
  await cluster.query('create database nexus')
  await cluster.query('create database other')
  await cluster.query('create schema event_core; create table event_core.event_log as select 1 as global_seq', 'other')
  await fillEventStore(cluster, 'nexus', 20)
})
afterAll(async () => {
  await cluster?.destroy()
  for (const dir of [repository?.dir, root]) if (dir) await rm(dir, { recursive: true, force: true })
})

const driver = () => createPostgresEvents(eventsConfig({ scratchDir: root }), cluster.connection('nexus'))
const source = () => createSource({ store: repository.store, identityFile: repository.identity.file })
async function dump(folder: string, name: string, args: string[], database = 'nexus'): Promise<void> {
  await mkdir(join(root, folder), { recursive: true })
  const env = pgEnvironment(cluster.connection(database))
  await run({ program: join(POSTGRES_BIN, 'pg_dump'), args: [`--file=${join(root, folder, name)}`, ...args], env })
}

describe('a dump of an event store from before Holdfast', () => {
  it.each([
    ['mnx-full-20250118-214530.dump', ['-Fc', '--compress=9'], 'database'],
    ['mnx-full-20250118-214530.sql.gz', ['--compress=9'], 'plain'],
  ])('%s becomes a point, whose proof asks all that is true of any event store', async (name, args, part) => {
    await dump(name, name, args)
    const [manifest, ...others] = (await adoptFrom(driver(), repository, [join(root, name)])) as [Manifest]
    expect(others).toEqual([])
    expect(manifest).toMatchObject({ driver: 'postgres-events', createdAt: '2025-01-18T21:45:30.000Z', artifacts: [{ part }] })
    expect(manifest.warnings).toContainEqual(expect.stringContaining('not up to an event'))
    const dir = join(root, `copy of ${part}`)
    const { target } = await driver().restore(contextFor(), manifest, source(), { dir })
    try {
      const look = () => driver().verify(contextFor(), manifest, target, { depth: 'full', assertions: [] })
      const proved = await look()
      expect(failures(proved)).toEqual([])
      expect(proved.map(({ name: asked, actual }) => [asked, actual])).toContainEqual([
        'event log (not compared: not recorded when it was taken)',
        '20 events up to 20',
      ])
      await askSql(target.connection, `update event_core.projector_watermarks set last_processed_seq = 21 where projector_name = 'rel'`)
      expect(failures(await look()).map(({ name: asked }) => asked)).toEqual(['watermarks'])
    } finally {
      await driver().destroy({ dir })
    }
  })

  it('takes the place of the live store whole, and is brought to no event', async () => {
    await dump('live', 'mnx-full-20250119-214530.dump', ['-Fc'])
    const before = await eventStoreContents(cluster, 'nexus')
    const [manifest] = (await adoptFrom(driver(), repository, [join(root, 'live')])) as [Manifest]
    await cluster.query('truncate event_core.event_log cascade', 'nexus')
    const { live } = driver()
    const confirm = (await live?.fingerprint()) ?? ''
    const outOfRange = { code: 'TARGET_OUT_OF_RANGE', message: expect.stringContaining('it was adopted') }
    await expect(live?.check(manifest, confirm, { toSequence: 5 })).rejects.toMatchObject(outOfRange)
    await expect(
      driver().restore(contextFor(), manifest, source(), { dir: join(root, 'never'), to: { sequence: 5 } }),
    ).rejects.toMatchObject(outOfRange)
    await expect(driver().plan?.({ sequence: 5 }, [manifest])).rejects.toMatchObject({ code: 'TARGET_OUT_OF_RANGE' })
    await expect(live?.check(manifest, confirm, { parts: ['lens_rel'], mode: 'replace' })).rejects.toMatchObject({ code: 'SOURCE_UNFIT' })
    await live?.check(manifest, confirm)
    const made = await live?.restoreAside(contextFor(), manifest, source())
    await live?.swap(manifest, confirm, made?.oid)
    expect(await eventStoreContents(cluster, 'nexus')).toEqual(before)
  })

  it('that has not all of the store is left where it is, with the reason', async () => {
    await dump('parts', 'mnx-eventlog.sql.gz', ['--table=event_core.event_log', '--data-only', '--compress=9'])
    await dump('parts', 'mnx-lens-rel.sql.gz', ['--schema=lens_rel', '--compress=9'])
    await dump('parts', 'mnx-schema.sql', ['--schema-only'])
    await dump('parts', 'other.sql', [], 'other')
    const { backups, left } = await findIn(driver(), [join(root, 'parts')])
    expect(backups).toEqual([])
    expect(Object.fromEntries(left.map(({ from, why }) => [from.slice(root.length + '/parts/'.length), why]))).toEqual({
      'mnx-eventlog.sql.gz': 'it has rows and no definitions',
      'mnx-lens-rel.sql.gz': expect.stringMatching(
        /something else .* event_core\.event_log, event_core\.outbox, event_core\.projector_watermarks$/,
      ),
      'mnx-schema.sql': 'it has definitions and no rows',
      'other.sql': expect.stringMatching(/does not make event_core\.outbox, event_core\.projector_watermarks$/),
    })
  })
})
