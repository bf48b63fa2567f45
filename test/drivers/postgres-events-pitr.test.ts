/** An event store brought to an event, as a copy beside and in the place of the live one. */
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { appendEvents, fillEventStore, project, WORLDS } from '../../scripts/sources/event-store.ts'
import { type Cluster, createCluster } from '../../scripts/toolbox/postgres.ts'
import type { LiveRestore, SourceDriver } from '../../src/drivers/driver.ts'
import { connect } from '../../src/drivers/postgres-common/connect.ts'
import { createPostgresEvents } from '../../src/drivers/postgres-events/index.ts'
import { planRecovery } from '../../src/drivers/postgres-physical/window.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { contextFor, nextRequest, openRepository, type Repository, takePoint } from '../conformance/driver.ts'
import { askSql, eventsConfig } from '../support/events.ts'

let cluster: Cluster
let repository: Repository
let root: string
let driver: SourceDriver
let live: LiveRestore
const source = () => createSource({ store: repository.store, identityFile: repository.identity.file })
const connection = () => cluster.connection('nexus')
const point = () => takePoint(driver, repository, nextRequest())

beforeAll(async () => {
  cluster = await createCluster()
  repository = await openRepository()
  root = await mkdtemp(join(tmpdir(), 'hfe-'))
  await chmod(root, 0o755)
})
beforeEach(async () => {
  for (const { name } of await cluster.query(`select datname as name from pg_database where datname ~ 'nexus'`))
    await cluster.query(`drop database "${String(name)}" with (force)`)
  await cluster.query('create database nexus')
  await fillEventStore(cluster, 'nexus', 30)
  const lenses = {
    lens_rel: { projector: 'rel', projection: 'rel-lens' },
    lens_sem: { projector: 'sem' },
    lens_graph: { projector: 'graph' },
  }
  driver = createPostgresEvents(eventsConfig({ lenses }), connection(), { settleMs: 50 })
  live = driver.live as LiveRestore
  // A projector that is behind, and one whose contents are elsewhere.
  await cluster.query(
    `delete from lens_sem.embedding where entity_id > 10;
     update event_core.projector_watermarks set last_processed_seq = 10 where projector_name = 'sem'`,
    'nexus',
  )
})
afterAll(async () => {
  await cluster?.destroy()
  if (repository) await rm(repository.dir, { recursive: true, force: true })
  if (root) await rm(root, { recursive: true, force: true })
})

/** The whole store in a few numbers. */
async function shape(to: string): Promise<Record<string, unknown>> {
  const [numbers] = await askSql(
    to,
    `select (select array[count(*), max(global_seq)]::int[] from event_core.event_log) as log, (select array[count(*), max(global_seq)]::int[] from event_core.outbox) as outbox,
       (select count(*)::int from lens_rel.note) as rel, (select count(*)::int from lens_rel.note_tag) as tags, (select count(*)::int from lens_sem.embedding) as sem,
       (select count(*)::int from lens_graph.edge) as graph,
       (select jsonb_object_agg(projector_name, seq) from (select projector_name, max(last_processed_seq) as seq from event_core.projector_watermarks group by 1) w) as marks`,
  )
  return numbers ?? {}
}

const AT_20 = {
  log: [20, 20],
  outbox: [20, 20],
  rel: 0,
  tags: 0,
  sem: 10,
  graph: 0,
  marks: { rel: 0, graph: 0, sem: 10, emo: 20 },
}

describe('a copy at an event', () => {
  it('ends there with outbox and watermarks; a lens that has seen more is empty, one that has not is as it was', async () => {
    const manifest = await point()
    const dir = join(root, 'copy')
    const { target, stoppedAt, notes } = await driver.restore(contextFor(), manifest, source(), { dir, to: { sequence: 20 } })
    try {
      expect(stoppedAt).toEqual({ sequence: '20', paused: false })
      expect(await shape(target.connection)).toEqual(AT_20)
      expect(notes).toEqual([
        'lens_rel had seen events up to 30: it is empty and the watermark of rel is 0; holdfast rebuild rel-lens --set from_global_seq=0 --set world_id=all',
        'lens_graph had seen events up to 30: it is empty and the watermark of graph is 0; have its projector build it anew',
        'emo is set back to 20; what it keeps elsewhere has seen events that are gone',
        'no number is given twice: the next event comes after those that were taken out',
      ])
      await expect(askSql(target.connection, 'delete from event_core.event_log')).rejects.toThrow('append-only')
    } finally {
      await driver.destroy({ dir })
    }
  })

  it('is refused above what is settled, though the log goes further, and begins with the first point that knows more', async () => {
    const late = await connect(connection())
    try {
      await late.query('begin')
      await late.query(
        `insert into event_core.event_log (world_id, event_id, kind, envelope, occurred_at, payload_hash) values ('${WORLDS[0]}', gen_random_uuid(), 'late', '{}', now(), 'x')`,
      )
      await appendEvents(cluster, 'nexus', 4)
      const early = await point()
      await late.query('commit')
      const refused = {
        code: 'TARGET_OUT_OF_RANGE',
        message: expect.stringContaining('its log goes to 35 and is settled to 30 only: 31 may have come later'),
      }
      const dir = join(root, 'refused')
      await expect(driver.restore(contextFor(), early, source(), { dir, to: { sequence: 33 } })).rejects.toMatchObject(refused)
      await expect(driver.plan?.({ sequence: 33 }, [early])).rejects.toMatchObject(refused)
      expect(await driver.plan?.({ sequence: 30 }, [early])).toMatchObject({ pointId: early.id })
      const later = { ...(await point()), createdAt: new Date(Date.now() + 1000).toISOString() }
      expect(await driver.plan?.({ sequence: 33 }, [later, early])).toMatchObject({ pointId: later.id })
      await expect(driver.plan?.({ sequence: 36 }, [later, early])).rejects.toMatchObject({
        message: expect.stringContaining('its log ends at 35'),
      })
    } finally {
      await late.end()
    }
  })

  it('is of a number only, and a number is for event stores only', async () => {
    await expect(driver.plan?.({ time: '2026-01-01T00:00:00Z' }, [])).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      message: expect.stringContaining('not to time'),
    })
    await expect(planRecovery({} as never, { sequence: 5 })).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      next: expect.stringContaining('postgres-events'),
    })
  })

  it('is refused where something else refers to events that would go', async () => {
    await cluster.query('create table dead (seq bigint references event_core.event_log); insert into dead values (25)', 'nexus')
    const manifest = await point()
    const dir = join(root, 'referred')
    await expect(driver.restore(contextFor(), manifest, source(), { dir, to: { sequence: 20 } })).rejects.toMatchObject({
      code: 'SOURCE_UNFIT',
      message: expect.stringContaining('on table "dead"'),
    })
  })
})

describe('in the place of the live one', () => {
  it('the store ends at the event, what it was is kept, and the next event has a new number', async () => {
    const manifest = await point()
    await appendEvents(cluster, 'nexus', 5)
    const choice = { toSequence: 20 }
    const confirm = await live.fingerprint()
    await live.check(manifest, confirm, choice)
    const place = { dir: join(root, 'aside'), choice }
    const { oid } = await live.restoreAside(contextFor(), manifest, source(), place)
    const swapped = await live.swap(manifest, confirm, oid, { context: contextFor(), source: source(), ...place })
    expect(await shape(connection())).toEqual(AT_20)
    expect(swapped.notes).toEqual([
      expect.stringContaining(String(swapped.keptAs)),
      expect.stringContaining('lens_rel had seen'),
      expect.anything(),
      expect.anything(),
      expect.anything(),
    ])
    await appendEvents(cluster, 'nexus', 1)
    expect(await shape(connection())).toMatchObject({ log: [21, 31] })
    await project(cluster, 'nexus', ['rel'])
    expect(await shape(connection())).toMatchObject({ rel: 21, tags: 42 })
  })

  it('is refused before anything is touched where the event is not settled, or the choice means nothing', async () => {
    const manifest = await point()
    const confirm = await live.fingerprint()
    await expect(live.check(manifest, confirm, { toSequence: 31 })).rejects.toMatchObject({ code: 'TARGET_OUT_OF_RANGE' })
    await expect(live.check(manifest, confirm, { mode: 'upsert' })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await expect(live.check(manifest, confirm, { parts: ['lens_rel'], mode: 'upsert', toSequence: 3 })).rejects.toMatchObject({
      code: 'INPUT_INVALID',
    })
  })

  it('asks the baseline afterwards, of the live one, by the words of its connection', async () => {
    const baseline = { run: ['sh', '-c', 'test "$(psql -XAtc "select max(global_seq) from event_core.event_log")" = "$WANTED"'], in: root }
    const asking = createPostgresEvents(eventsConfig({ baseline }), connection()).live?.afterwards?.[0]
    expect(asking?.name).toBe('baseline')
    process.env['WANTED'] = '30'
    await asking?.run(contextFor())
    process.env['WANTED'] = '31'
    await expect(asking?.run(contextFor())).rejects.toMatchObject({ code: 'PROCESS_FAILED' })
  })
})
