import { mkdtemp, chmod, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Cluster, createCluster, POSTGRES_BIN } from '../../scripts/toolbox/postgres.ts'
import { logicalSource, type LogicalSourceConfig } from '../../src/config/schema.ts'
import type { Target } from '../../src/drivers/driver.ts'
import { connect } from '../../src/drivers/postgres-common/connect.ts'
import { processesIn } from '../../src/process/in-folder.ts'
import { createPostgresLogical } from '../../src/drivers/postgres-logical/index.ts'
import { describeDriver, type DriverHarness } from '../conformance/driver.ts'
import { fillShop } from '../support/shop.ts'

const configOf = (more: Partial<LogicalSourceConfig> = {}): LogicalSourceConfig =>
  logicalSource.parse({ driver: 'postgres-logical', connection: '${env:UNUSED}', repository: 'hot', binDir: POSTGRES_BIN, ...more })

async function ask(connection: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = await connect(connection)
  try {
    return (await client.query(sql)).rows as Record<string, unknown>[]
  } finally {
    await client.end()
  }
}

const on =
  (sql: string) =>
  async ({ connection }: Target) => {
    await ask(connection, sql)
  }

async function openHarness(): Promise<DriverHarness> {
  const cluster: Cluster = await createCluster({ dbname: 'shop' })
  await fillShop(cluster, 'shop')
  const scratchRoot = await mkdtemp(join(tmpdir(), 'holdfast-scratch-'))
  await chmod(scratchRoot, 0o755)
  return {
    driver: createPostgresLogical(configOf(), cluster.connection('shop')),
    scratchRoot,
    state: async () =>
      JSON.stringify(
        [
          await cluster.query('select datname, datallowconn from pg_database order by 1'),
          await cluster.query('select rolname from pg_roles order by 1'),
          await cluster.query('select pg_current_wal_insert_lsn()'),
          await cluster.query('select relname, relkind from pg_class order by 1, 2', 'shop'),
        ].slice(0, 2),
      ),
    leftovers: async () =>
      (
        await cluster.query(
          "select application_name || ': ' || query as left from pg_stat_activity where application_name like 'holdfast%'",
        )
      ).map(({ left }) => String(left)),
    alive: async (dir) => (await processesIn(dir)).length > 0,
    assertions: {
      holds: { name: 'true', sql: 'select count(*) > 0 from sales.orders' },
      red: [
        { name: 'false', sql: 'select count(*) = 0 from sales.orders' },
        { name: 'broken', sql: 'select no_such_column' },
        { name: 'writes', sql: 'create table written (x int)' },
      ],
    },
    leaks: async (target) => {
      const wanted = {
        listen_addresses: '',
        archive_mode: 'off',
        primary_conninfo: '',
        shared_preload_libraries: '',
        unix_socket_permissions: '0700',
      }
      const rows = await ask(
        target.connection,
        `select name, setting from pg_settings where name in (${Object.keys(wanted)
          .map((name) => `'${name}'`)
          .join(', ')})`,
      )
      return rows
        .filter(({ name, setting }) => wanted[name as keyof typeof wanted] !== setting)
        .map(({ name, setting }) => `${name}=${setting}`)
    },
    tamperings: [
      {
        name: 'one altered row',
        change: on("update sales.orders set note = note || '!' where id = 7"),
        undo: on("update sales.orders set note = rtrim(note, '!') where id = 7"),
        red: /^table sales\.orders$/,
      },
      {
        name: 'one missing row',
        change: on('delete from sales.events_2024 where id = 3'),
        undo: on("insert into sales.events_2024 select 3, '2024-03-03', md5('3')"),
        red: /^table sales\.events_2024$/,
      },
      {
        name: 'one added row',
        change: on('insert into "Odd Name"."T.x" values (99, \'x\')'),
        undo: on('delete from "Odd Name"."T.x" where id = 99'),
        red: /^table "Odd Name"\."T\.x"$/,
      },
      {
        name: 'one altered sequence',
        change: on("select setval('sales.orders_id_seq', 1)"),
        undo: on("select setval('sales.orders_id_seq', 5000)"),
        red: /^sequence sales\.orders_id_seq$/,
      },
      {
        name: 'one altered large object',
        change: on("select lo_put(4711, 10, 'x')"),
        undo: on("select lo_put(4711, 10, 'a')"),
        red: /^large objects$/,
      },
      {
        name: 'one missing index',
        change: on('drop index sales.orders_note'),
        undo: on('create index orders_note on sales.orders (note)'),
        red: /^definitions$/,
      },
      {
        name: 'one added table',
        change: on('create table extra (x int)'),
        undo: on('drop table extra'),
        red: /^(no other tables|definitions)$/,
      },
    ],
    async close() {
      await cluster.destroy()
      await rm(scratchRoot, { recursive: true, force: true })
    },
  }
}

describeDriver('postgres-logical', openHarness)
