/** The tables of an event store as its users have them: log, outbox, watermarks, and four lenses that projectors fill. */
import type { Cluster } from '../toolbox/postgres.ts'

export const WORLDS = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222'] as const

const SCHEMA = `
  create schema event_core;
  create table event_core.event_log (
    global_seq bigserial primary key, world_id uuid not null, branch text not null default 'main', event_id uuid not null unique,
    kind text not null, envelope jsonb not null, occurred_at timestamptz not null, payload_hash text not null);
  create function event_core.append_only() returns trigger language plpgsql as $f$ begin raise exception 'the event log is append-only'; end $f$;
  create trigger append_only before update or delete on event_core.event_log for each row execute function event_core.append_only();
  create table event_core.outbox (
    global_seq bigint primary key references event_core.event_log (global_seq), world_id uuid not null, envelope jsonb not null, published_at timestamptz);
  create table event_core.projector_watermarks (
    projector_name text not null, world_id uuid not null, branch text not null default 'main', last_processed_seq bigint not null,
    determinism_hash text, updated_at timestamptz not null default timestamptz '2025-01-01 00:00+00', primary key (projector_name, world_id, branch));
  create schema lens_rel;
  create table lens_rel.note (world_id uuid, note_id bigint, title text not null, primary key (world_id, note_id));
  create table lens_rel.note_tag (world_id uuid, note_id bigint, tag text, primary key (world_id, note_id, tag),
    foreign key (world_id, note_id) references lens_rel.note);
  create schema lens_sem;
  create table lens_sem.embedding (entity_id bigint primary key, model text not null, vector real[] not null);
  create schema lens_graph;
  create table lens_graph.node (id bigint primary key, properties jsonb not null);
  create table lens_graph.edge (id bigserial primary key, source bigint not null references lens_graph.node, target bigint not null references lens_graph.node);
  create schema lens_emo;
  create table lens_emo.emo (emo_id bigint primary key, version int not null, content text);`

/** Appends so many events of both worlds, each with its row of the outbox, and has every lens project them. */
export async function appendEvents(cluster: Cluster, database: string, events: number): Promise<void> {
  await cluster.query(
    `with numbered as (select coalesce((select max(global_seq) from event_core.event_log), 0) + i as n from generate_series(1, ${events}) i),
       appended as (
         insert into event_core.event_log (world_id, event_id, kind, envelope, occurred_at, payload_hash)
         select (array['${WORLDS[0]}', '${WORLDS[1]}'])[1 + n % 2]::uuid, md5(n::text)::uuid, 'note.created', jsonb_build_object('n', n, 'title', md5('title ' || n)),
           timestamptz '2025-01-01 00:00+00' + n * interval '1 minute', md5('payload ' || n) from numbered order by n returning *)
     insert into event_core.outbox select global_seq, world_id, envelope, case when global_seq % 5 <> 0 then occurred_at end from appended`,
    database,
  )
  await project(cluster, database)
}

/** What the projectors of the sample do: from their watermark to the end of the log. */
export async function project(cluster: Cluster, database: string, projectors = ['rel', 'sem', 'graph', 'emo']): Promise<void> {
  const each: Record<string, string> = {
    rel: `insert into lens_rel.note select world_id, global_seq, envelope ->> 'title' from fresh on conflict do nothing;
      insert into lens_rel.note_tag select world_id, global_seq, tag from fresh, unnest(array['a', 'b']) tag on conflict do nothing`,
    sem: `insert into lens_sem.embedding select global_seq, 'tiny', array(select sin(global_seq * i)::real from generate_series(1, 16) i) from fresh on conflict do nothing`,
    graph: `insert into lens_graph.node select global_seq, envelope from fresh on conflict do nothing;
      insert into lens_graph.edge (source, target) select global_seq, greatest(1, global_seq / 2) from fresh order by 1`,
    emo: `insert into lens_emo.emo select global_seq, 1, envelope ->> 'title' from fresh on conflict do nothing`,
  }
  for (const projector of projectors)
    await cluster.query(
      `begin;
       create temporary table fresh on commit drop as select * from event_core.event_log
         where global_seq > coalesce((select min(last_processed_seq) from event_core.projector_watermarks where projector_name = '${projector}'), 0);
       ${each[projector]};
       insert into event_core.projector_watermarks (projector_name, world_id, last_processed_seq)
         select '${projector}', world_id, (select max(global_seq) from event_core.event_log) from (select distinct world_id from event_core.event_log) w
         on conflict (projector_name, world_id, branch) do update set last_processed_seq = excluded.last_processed_seq;
       commit`,
      database,
    )
}

export async function fillEventStore(cluster: Cluster, database: string, events = 400): Promise<void> {
  await cluster.query(SCHEMA, database)
  await appendEvents(cluster, database, events)
}

const TABLES = {
  'event_core.event_log': 'global_seq',
  'event_core.outbox': 'global_seq',
  'event_core.projector_watermarks': 'projector_name, world_id',
  'lens_rel.note': 'note_id',
  'lens_rel.note_tag': 'note_id, tag',
  'lens_sem.embedding': 'entity_id',
  'lens_graph.node': 'id',
  'lens_graph.edge': 'id',
  'lens_emo.emo': 'emo_id',
}

/** Each table with the number of its rows and a digest of them. */
export async function eventStoreContents(cluster: Cluster, database: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const [table, order] of Object.entries(TABLES)) {
    const [row] = await cluster.query(
      `select count(*) || ' ' || md5(coalesce(string_agg(t::text, '|' order by ${order}), '')) as text from ${table} t`,
      database,
    )
    found[table] = String(row?.['text'])
  }
  return found
}
