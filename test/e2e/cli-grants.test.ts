/** What doctor says of grants, tried: a role that may do nothing, the statements it is given, and then nothing is missing. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cluster, createCluster } from '../../scripts/toolbox/postgres.ts'
import { backupGrants, fenceGrants, replicationGrants, verifyGrants } from '../../src/cli/doctor/grants.ts'
import { type Client, formatConnection, parseConnection, withClient } from '../../src/drivers/postgres-common/connect.ts'

let cluster: Cluster
beforeAll(async () => {
  cluster = await createCluster({ dbname: 'shop' })
  await cluster.query(
    'create schema "Other One"; create table "Other One".things (id int primary key); create table orders (id int); create sequence numbers',
    'shop',
  )
  for (const role of ['backup', 'dump', 'verify', 'fence', 'rewind']) await cluster.query(`create role "the ${role}" login`, 'shop')
})
afterAll(() => cluster?.destroy())

const as = <T>(role: string, use: (client: Client) => Promise<T>) =>
  withClient(formatConnection(parseConnection(cluster.connection('shop')), { user: `the ${role}` }), {}, use)

describe('the grants that doctor prints', () => {
  const backup = (client: Client) => backupGrants(client, { physical: true, barrier: true })
  it.each<[string, (client: Client) => Promise<string[]>, RegExp[]]>([
    [
      'backup',
      backup,
      [
        /pg_read_all_data/,
        /pg_create_restore_point/,
        /pg_switch_wal/,
        /pg_checkpoint/,
        /update on all tables in schema "Other One"/,
        /update on all tables in schema public/,
      ],
    ],
    ['dump', (client) => backupGrants(client, { physical: false, barrier: false }), [/pg_read_all_data/]],
    ['verify', verifyGrants, [/create extension amcheck/, /bt_index_check/, /verify_heapam/, /pg_wal_replay_resume/]],
    [
      'fence',
      (client) => fenceGrants(client, { canary: true }),
      [/alter role "the fence" replication/, /pg_promote/, /pg_read_file/, /pg_monitor/, /create on database shop/],
    ],
  ])('to %s are all that is missing, and are accepted by the server as they stand', async (role, ask, wanted) => {
    const missing = await as(role, ask)
    for (const statement of wanted) expect(missing.join('\n')).toMatch(statement)
    for (const statement of missing) await cluster.query(statement, 'shop')
    expect(await as(role, ask)).toEqual([])
  })

  it('to rewind are asked for another role than the session has', async () => {
    const ask = (role: string) => withClient(cluster.connection('shop'), {}, (client) => replicationGrants(client, role))
    expect(await ask('nobody yet')).toEqual(['create role "nobody yet" login replication;'])
    const missing = await ask('the rewind')
    expect(missing[0]).toBe('alter role "the rewind" login replication;')
    expect(missing.join('\n')).toMatch(/pg_read_binary_file\(text, bigint, bigint, boolean\)/)
    for (const statement of missing) await cluster.query(statement, 'shop')
    expect(await ask('the rewind')).toEqual([])
  })

  it('are none for a superuser', async () => {
    const missing = await withClient(cluster.connection('shop'), {}, async (client) => [
      ...(await backup(client)),
      ...(await verifyGrants(client)),
      ...(await fenceGrants(client, { canary: true })),
    ])
    expect(missing).toEqual([])
  })

  it('see rows that a policy hides, and a canary that belongs to another', async () => {
    await cluster.query(
      'alter table orders enable row level security; create schema holdfast; create table holdfast.canary (at timestamptz)',
      'shop',
    )
    expect(await as('dump', (client) => backupGrants(client, { physical: false, barrier: false }))).toEqual([
      'alter role "the dump" bypassrls;',
    ])
    const missing = await as('fence', (client) => fenceGrants(client, { canary: true }))
    expect(missing).toEqual(['grant usage on schema holdfast to "the fence";', 'grant select, insert on holdfast.canary to "the fence";'])
    for (const statement of missing) await cluster.query(statement, 'shop')
    expect(await as('fence', (client) => fenceGrants(client, { canary: true }))).toEqual([])
  })
})
