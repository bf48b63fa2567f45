/** A transaction that took a lower number may commit after one with a higher: what a point knows of that. */
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { appendEvents, fillEventStore, WORLDS } from '../../scripts/sources/event-store.ts'
import { type Cluster, createCluster } from '../../scripts/toolbox/postgres.ts'
import { type Client, connect } from '../../src/drivers/postgres-common/connect.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { until } from '../../src/process/wait.ts'
import { createPostgresEvents } from '../../src/drivers/postgres-events/index.ts'
import { contextFor, failures, nextRequest, openRepository, type Repository, takePoint } from '../conformance/driver.ts'
import { askSql, eventsConfig } from '../support/events.ts'

let cluster: Cluster
let repository: Repository
const open: Client[] = []
const take = (more: object = {}, settleMs = 50) =>
  takePoint(createPostgresEvents(eventsConfig(more), cluster.connection('nexus'), { settleMs }), repository, nextRequest())
const logIn = (manifest: Awaited<ReturnType<typeof take>>) => manifest.inventory?.['event log']
/** A session that appends and keeps its transaction open. */
async function appending(count = 1): Promise<Client> {
  const client = await connect(cluster.connection('nexus'))
  open.push(client)
  await client.query('begin')
  for (let i = 0; i < count; i += 1)
    await client.query(
      `insert into event_core.event_log (world_id, event_id, kind, envelope, occurred_at, payload_hash) values ('${WORLDS[0]}', gen_random_uuid(), 'late', '{}', now(), 'x')`,
    )
  return client
}

beforeAll(async () => {
  cluster = await createCluster()
  repository = await openRepository()
})
beforeEach(async () => {
  for (const client of open.splice(0)) await client.end()
  await cluster.query('drop database if exists nexus with (force)')
  await cluster.query('create database nexus')
  await fillEventStore(cluster, 'nexus', 20)
})
afterAll(async () => {
  for (const client of open.splice(0)) await client.end()
  await cluster?.destroy()
  if (repository) await rm(repository.dir, { recursive: true, force: true })
})

describe('what a point says of its event log', () => {
  it('is settled to the end where nobody writes, whatever holes were rolled back', async () => {
    await (await appending(3)).query('rollback')
    await appendEvents(cluster, 'nexus', 2)
    expect(logIn(await take())).toEqual({ events: 22, maxSequence: '25', settledTo: '25', settledEvents: 22, inFlight: 0 })
  })

  it('is not settled from a number on that somebody took and has not committed, though a higher one is there', async () => {
    const late = await appending(2)
    await appendEvents(cluster, 'nexus', 3)
    const manifest = await take()
    expect(logIn(manifest)).toEqual({
      events: 23,
      maxSequence: '25',
      settledTo: '20',
      settledEvents: 20,
      inFlight: 2,
      inFlightNumbers: '21-22',
    })
    expect(manifest.warnings).toEqual([
      expect.stringMatching(/^the event log goes to 25 and is settled to 20: the session \d+ since .* may have taken/),
    ])
    await late.query('commit')
    expect(logIn(await take())).toMatchObject({ events: 25, settledTo: '25', inFlight: 0 })
  })

  it('waits a while for those who have taken a number, so that a short transaction costs nothing', async () => {
    const late = await appending()
    await appendEvents(cluster, 'nexus', 1)
    const taking = take({}, 60_000)
    await until(
      async () =>
        (await cluster.query("select from pg_stat_activity where pid <> pg_backend_pid() and query ~ 'virtualtransaction'")).length > 0,
      {
        timeoutMs: 30_000,
        everyMs: 20,
        what: 'the capture to look who holds a number',
      },
    )
    await late.query('commit')
    expect(logIn(await taking)).toMatchObject({ events: 22, settledTo: '22' })
  })

  it('counts a prepared transaction as one that may commit', async () => {
    const late = await appending()
    await late.query(`prepare transaction 'late'`)
    try {
      await appendEvents(cluster, 'nexus', 1)
      expect(logIn(await take())).toMatchObject({ settledTo: '20', inFlightNumbers: '21' })
    } finally {
      await late.query(`rollback prepared 'late'`)
    }
  })

  it('counts every hole where sessions keep numbers for later', async () => {
    await cluster.query('alter sequence event_core.event_log_global_seq_seq cache 10', 'nexus')
    await (await appending()).query('rollback')
    await appendEvents(cluster, 'nexus', 1)
    expect(logIn(await take())).toMatchObject({ settledTo: '20' })
  })
})

describe('a proof', () => {
  it('is red of a store that nobody could replay, though it is restored as it was', async () => {
    await cluster.query(
      `alter table event_core.outbox drop constraint outbox_global_seq_fkey; insert into event_core.outbox values (99, '${WORLDS[0]}', '{}');
       update event_core.projector_watermarks set last_processed_seq = 77 where projector_name = 'sem'`,
      'nexus',
    )
    const scratch = await mkdtemp(join(tmpdir(), 'hfe-'))
    await chmod(scratch, 0o755)
    const dir = join(scratch, 'copy')
    const baseline = { run: ['sh', '-c', 'test "$(basename "$PWD")" = nowhere'], in: scratch }
    const driver = createPostgresEvents(eventsConfig({ baseline }), cluster.connection('nexus'))
    const manifest = await takePoint(driver, repository, nextRequest())
    const source = createSource({ store: repository.store, identityFile: repository.identity.file })
    try {
      const { target } = await driver.restore(contextFor(), manifest, source, { dir })
      const red = failures(await driver.verify(contextFor(), manifest, target, { depth: 'restore', assertions: [] }))
      expect(red.map(({ name, actual }) => `${name}: ${actual}`)).toEqual([
        'watermarks: sem at 77, sem at 77',
        'outbox: 99',
        expect.stringMatching(/^baseline: .*exited with 1/),
      ])
      await askSql(
        target.connection,
        'alter table event_core.event_log disable trigger user; delete from event_core.outbox where global_seq = 3; delete from event_core.event_log where global_seq = 3',
      )
      const lacking = failures(await driver.verify(contextFor(), manifest, target, { depth: 'restore', assertions: [] }))
      expect(lacking.map(({ name }) => name)).toEqual(expect.arrayContaining(['event log', 'settled events']))
    } finally {
      await driver.destroy({ dir })
      await rm(scratch, { recursive: true, force: true })
    }
  })
})

describe('a lens', () => {
  it('that cannot be captured is a warning and an outcome of its own, and the rest is captured', async () => {
    await cluster.query('drop schema lens_emo cascade', 'nexus')
    const { artifacts, inventory, warnings } = await take()
    expect(artifacts.map(({ part, role, required }) => `${part} ${role} ${required}`)).toEqual([
      'globals globals true',
      'database database true',
      'plain plain true',
      'schema schema true',
      'eventlog eventlog true',
      'watermarks watermarks true',
      'lens_rel lens false',
      'lens_sem lens false',
      'lens_graph lens false',
    ])
    expect(inventory).toMatchObject({ 'part lens_emo': { outcome: 'failed' }, 'part lens_rel': { outcome: 'captured' } })
    expect(warnings).toEqual([expect.stringMatching(/^lens_emo was not captured as a part: .*no matching schemas/)])
  })

  it('is no part of a source that does not want it', async () => {
    const { artifacts } = await take({ parts: ['database', 'watermarks', 'lenses'], lenses: { lens_sem: { projector: 'sem' } } })
    expect(artifacts.map(({ part }) => part)).toEqual(['database', 'watermarks', 'lens_sem'])
  })
})
