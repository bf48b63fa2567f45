/** What the lost transactions did to definitions is told; temporary tables, which change the same catalogs, are no loss. */
import { rm } from 'node:fs/promises'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Pair } from '../../scripts/toolbox/pair.ts'
import { reachableFolder } from '../../scripts/toolbox/postgres.ts'
import { folderSink } from '../../src/failover/database/folder-sink.ts'
import { findFork } from '../../src/failover/database/fork.ts'
import { exportLostWrites, type LostWrites } from '../../src/failover/database/lost-writes.ts'
import { catchUp, crash, failOver, holdBack, openSides, type Side } from '../support/failback.ts'

/** What is there before, what is done to it, and by what it is told. */
const DROPS: Record<string, [before: string, lost: string, told: RegExp]> = {
  a_table: ['select 1', 'drop table old', /pg_class/],
  a_trigger: [
    'create function f() returns trigger language plpgsql as $$ begin return new; end $$; create trigger g before insert on t for each row execute function f()',
    'drop trigger g on t',
    /pg_trigger/,
  ],
  a_policy: ['create policy p on t using (true)', 'drop policy p on t', /pg_policy/],
  a_rule: ['create rule r as on update to t do also notify n', 'drop rule r on t', /pg_rewrite/],
  a_foreign_key: ['alter table old add constraint fk foreign key (id) references t', 'alter table old drop constraint fk', /pg_constraint/],
  a_schema: ['create schema s', 'drop schema s', /pg_namespace/],
  a_domain: ['create domain d as int check (value > 0)', 'drop domain d', /pg_type/],
  an_attribute: ['create type c as (a int)', 'alter type c add attribute b int', /\(c\b/],
  a_comment: ['select 1', "comment on table t is 'x'", /pg_description/],
  a_function: ['create function f() returns int language sql as $$ select 1 $$', 'drop function f', /pg_proc/],
}

let pair: Pair
let east: Side
let west: Side
let folder: string
let lost: LostWrites

beforeAll(async () => {
  folder = await reachableFolder('holdfast-lost-')
  ;({ pair, east, west } = await openSides())
  for (const name of ['temporary', 'changed', ...Object.keys(DROPS)]) {
    await east.place.query(`create database ${name}`)
    await east.place.query('create table t (id int primary key, v text); create table old (id int)', name)
  }
  for (const [name, [before]] of Object.entries(DROPS)) await east.place.query(before, name)
  await catchUp(east, west)
  await holdBack(west)
  const session = await openSession('temporary')
  await session.query('begin; create temp table gone (id serial primary key, v text check (v <> $$x$$)) on commit drop')
  await session.query("insert into gone values (1, 'a'); insert into t select * from gone; commit")
  await session.query('create temp table stays as select * from t; create index on stays (id); analyze stays; analyze t')
  await east.place.query('insert into t values (1); create function one() returns int language sql as $$ select 1 $$', 'changed')
  await east.place.query("create table made (id int); alter table t alter v set default 'x'; create type mood as enum ('good')", 'changed')
  // With a temporary table in the same transaction, which must not hide it.
  for (const [name, [, change]] of Object.entries(DROPS))
    await east.place.query(`begin; create temp table z (id serial primary key) on commit drop; ${change}; commit`, name)
  await east.place.query('create role nobody_yet')
  await crash(east)
  await session.end().catch(() => {})
  await failOver(east, west, 1)
  const fork = await findFork(east.site, west.site)
  lost = (await exportLostWrites({ old: east.site, fork, sink: folderSink(folder) })) as LostWrites
})
afterAll(async () => {
  await pair?.destroy()
  await rm(folder, { recursive: true, force: true })
})

async function openSession(database: string): Promise<pg.Client> {
  const client = new pg.Client({ host: east.site.address, port: east.site.port, user: 'postgres', database })
  client.on('error', () => {})
  await client.connect()
  return client
}

const warnings = (database: string) => lost.warnings.filter((warning) => warning.startsWith(`${database}:`))

test('temporary tables that came and went, or were left by the crash, are no change of the schema', () => {
  expect(lost.tables).toContainEqual({ database: 'temporary', name: 'public.t', rows: 1, deletes: 0 })
  expect(warnings('temporary')).toEqual([])
})

test('tables, columns, functions and types that were made or altered are named', () => {
  expect(warnings('changed')).toEqual([
    'changed: the lost transactions changed the schema (made, mood, pg_enum, pg_proc, t); such changes are not exported',
  ])
})

test.each(Object.entries(DROPS))('%s that is gone or changed is told of', (name, [, , told]) => {
  expect(warnings(name)).toEqual([expect.stringMatching(told)])
})

test('roles belong to the cluster, and are told of once', () => {
  expect(lost.warnings.filter((warning) => warning.includes('pg_authid'))).toHaveLength(1)
})
