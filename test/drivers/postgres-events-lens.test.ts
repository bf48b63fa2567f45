/** A lens brought back from its part into a live database, in the way that was chosen and never in another. */
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { appendEvents, eventStoreContents, fillEventStore, project, WORLDS } from '../../scripts/sources/event-store.ts'
import { type Cluster, createCluster } from '../../scripts/toolbox/postgres.ts'
import type { Manifest } from '../../src/core/records.ts'
import type { LiveRestore, SourceDriver } from '../../src/drivers/driver.ts'
import { connect } from '../../src/drivers/postgres-common/connect.ts'
import { createPostgresEvents } from '../../src/drivers/postgres-events/index.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { contextFor, nextRequest, openRepository, type Repository, takePoint } from '../conformance/driver.ts'
import { eventsConfig } from '../support/events.ts'

type Mode = 'empty' | 'replace' | 'upsert'
let cluster: Cluster
let repository: Repository
let driver: SourceDriver
let live: LiveRestore
let manifest: Manifest
const contents = () => eventStoreContents(cluster, 'nexus')
const run = (sql: string) => cluster.query(sql, 'nexus')
const mark = async (projector: string) =>
  Number(
    (await run(`select min(last_processed_seq) as seq from event_core.projector_watermarks where projector_name = '${projector}'`))[0]?.[
      'seq'
    ],
  )
async function load(parts: string[], mode: Mode) {
  const confirm = await live.fingerprint()
  await live.check(manifest, confirm, { parts, mode })
  return swap(parts, mode)
}
async function swap(parts: string[], mode: Mode) {
  const source = createSource({ store: repository.store, identityFile: repository.identity.file })
  return live.swap(manifest, await live.fingerprint(), undefined, { context: contextFor(), source, dir: tmpdir(), choice: { parts, mode } })
}

beforeAll(async () => {
  cluster = await createCluster()
  repository = await openRepository()
})
beforeEach(async () => {
  await cluster.query('drop database if exists nexus with (force)')
  await cluster.query('create database nexus')
  await fillEventStore(cluster, 'nexus', 30)
  await run(`
    create function lens_rel.stamp() returns trigger language plpgsql as $f$ begin new.title := 'stamped'; return new; end $f$;
    create trigger stamp before insert or update on lens_rel.note for each row execute function lens_rel.stamp();
    alter table lens_rel.note enable always trigger stamp;
    insert into lens_rel.note_tag select world_id, note_id, E'odd \\\\. \\ttab\\nline' from lens_rel.note limit 1`)
  driver = createPostgresEvents(eventsConfig(), cluster.connection('nexus'), { settleMs: 50 })
  live = driver.live as LiveRestore
  manifest = await takePoint(driver, repository, nextRequest())
})
afterAll(async () => {
  await cluster?.destroy()
  if (repository) await rm(repository.dir, { recursive: true, force: true })
})

describe('a lens from its part', () => {
  it('into empty tables is what it was, with its watermark, and nothing else moves', async () => {
    const before = await contents()
    await appendEvents(cluster, 'nexus', 5)
    const now = await contents()
    await run('truncate lens_rel.note, lens_rel.note_tag')
    const { notes } = await load(['lens_rel'], 'empty')
    const after = await contents()
    const rel = ['lens_rel.note', 'lens_rel.note_tag'].map((name) => [name, before[name]])
    expect(after).toEqual({
      ...now,
      ...Object.fromEntries(rel),
      'event_core.projector_watermarks': after['event_core.projector_watermarks'],
    })
    expect([await mark('rel'), await mark('sem')]).toEqual([30, 35])
    expect(notes).toEqual(['lens_rel is as it was in the point; rel goes on from 30'])
    expect(await run(`select tgenabled as state from pg_trigger where tgname = 'stamp'`)).toEqual([{ state: 'A' }])
    await run('alter table lens_rel.note disable trigger stamp')
    await project(cluster, 'nexus', ['rel'])
    expect(Number((await run('select count(*) as n from lens_rel.note'))[0]?.['n'])).toBe(35)
  })

  it('is refused where tables are not empty, naming them, and where nothing was chosen', async () => {
    const before = await contents()
    await expect(load(['lens_rel'], 'empty')).rejects.toMatchObject({
      code: 'SOURCE_UNFIT',
      message: 'not empty: lens_rel.note, lens_rel.note_tag',
    })
    await expect(live.check(manifest, await live.fingerprint(), { parts: ['lens_rel'] })).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      object: 'mode',
    })
    await expect(load(['eventlog'], 'replace')).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      next: expect.stringContaining('lens_rel, lens_sem'),
    })
    await expect(live.check(manifest, 'other', { parts: ['lens_rel'], mode: 'replace' })).rejects.toMatchObject({
      code: 'CONFIRM_MISMATCH',
    })
    expect(await contents()).toEqual(before)
  })

  it('into empty tables once more, after an answer that was lost, is found done', async () => {
    await run('truncate lens_sem.embedding')
    await load(['lens_sem'], 'empty')
    const once = await contents()
    await swap(['lens_sem'], 'empty')
    expect(await contents()).toEqual(once)
  })

  it('in place of what is there leaves nothing of that, also for two at once, and again', async () => {
    const before = await contents()
    await run(
      `update lens_sem.embedding set model = 'other'; delete from lens_graph.edge where id > 3; insert into lens_graph.node values (99, '{}')`,
    )
    await appendEvents(cluster, 'nexus', 2)
    for (let round = 1; round <= 2; round += 1) {
      await load(['lens_sem', 'lens_graph'], 'replace')
      const after = await contents()
      for (const table of ['lens_sem.embedding', 'lens_graph.node', 'lens_graph.edge']) expect(after[table]).toBe(before[table])
      expect([await mark('sem'), await mark('graph'), await mark('rel')]).toEqual([30, 30, 32])
    }
  })

  it('in place is refused where a table elsewhere refers to it, which a cascade would empty', async () => {
    await run('create table kept (id bigint references lens_graph.node); insert into kept values (1)')
    await expect(load(['lens_graph'], 'replace')).rejects.toMatchObject({
      code: 'SOURCE_UNFIT',
      message: expect.stringContaining('lens_graph.node by kept'),
    })
    expect(await run('select count(*)::int as n from kept')).toEqual([{ n: 1 }])
  })

  it('as an upsert brings rows back over changed ones, keeps new ones, and lets the projector see again what came between', async () => {
    await run(`update lens_sem.embedding set model = 'other' where entity_id < 5; delete from lens_sem.embedding where entity_id = 9`)
    await appendEvents(cluster, 'nexus', 2)
    await run(`select setval('lens_graph.edge_id_seq', 500)`)
    await load(['lens_sem', 'lens_graph'], 'upsert')
    expect(await run(`select count(*)::int as n, count(*) filter (where model = 'other')::int as other from lens_sem.embedding`)).toEqual([
      { n: 32, other: 0 },
    ])
    expect(await mark('sem')).toBe(30)
    expect(await run(`select last_value::int as at from lens_graph.edge_id_seq`)).toEqual([{ at: 500 }])
  })

  it('as an upsert is refused for tables without a primary key', async () => {
    await run('alter table lens_emo.emo drop constraint emo_pkey')
    await expect(load(['lens_emo'], 'upsert')).rejects.toMatchObject({
      code: 'SOURCE_UNFIT',
      message: 'without a primary key: lens_emo.emo',
    })
  })

  it('that does not come out as the manifest says leaves everything as it was', async () => {
    const before = await contents()
    const table = manifest.content?.tables['lens_rel.note_tag']
    if (table) table.digest = '1'
    await expect(load(['lens_rel'], 'replace')).rejects.toMatchObject({
      code: 'PROCESS_FAILED',
      message: expect.stringContaining('lens_rel.note_tag is not what the manifest says'),
    })
    expect(await contents()).toEqual(before)
  })

  it('that has seen more than the live log holds is refused', async () => {
    await run(
      `alter table event_core.event_log disable trigger user; delete from event_core.outbox where global_seq > 25; delete from event_core.event_log where global_seq > 25`,
    )
    await expect(load(['lens_rel'], 'replace')).rejects.toMatchObject({
      message: expect.stringContaining('has seen events up to 30, and the live log ends at 25'),
    })
  })

  it('goes on before an event that was in flight, so that its projector sees that one too', async () => {
    const late = await connect(cluster.connection('nexus'))
    try {
      await late.query('begin')
      await late.query(
        `insert into event_core.event_log (world_id, event_id, kind, envelope, occurred_at, payload_hash) values ('${WORLDS[0]}', gen_random_uuid(), 'late', '{}', now(), 'x')`,
      )
      await appendEvents(cluster, 'nexus', 4)
      manifest = await takePoint(driver, repository, nextRequest())
      await late.query('commit')
    } finally {
      await late.end()
    }
    await load(['lens_emo'], 'replace')
    expect(await mark('emo')).toBe(30)
    await project(cluster, 'nexus', ['emo'])
    expect(Number((await run('select count(*) as n from lens_emo.emo'))[0]?.['n'])).toBe(35)
  })
})
