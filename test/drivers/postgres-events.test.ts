import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventStoreContents, fillEventStore } from '../../scripts/sources/event-store.ts'
import { createCluster } from '../../scripts/toolbox/postgres.ts'
import type { Target } from '../../src/drivers/driver.ts'
import { processesIn } from '../../src/process/in-folder.ts'
import { createPostgresEvents } from '../../src/drivers/postgres-events/index.ts'
import { describeDriver, type DriverHarness } from '../conformance/driver.ts'
import { askSql, eventsConfig } from '../support/events.ts'

const on =
  (sql: string) =>
  async ({ connection }: Target) => {
    await askSql(connection, sql)
  }

async function openHarness(): Promise<DriverHarness> {
  const cluster = await createCluster({ dbname: 'nexus' })
  await fillEventStore(cluster, 'nexus')
  const scratchRoot = await mkdtemp(join(tmpdir(), 'hfe-'))
  await chmod(scratchRoot, 0o755)
  return {
    driver: createPostgresEvents(eventsConfig(), cluster.connection('nexus')),
    scratchRoot,
    state: async () => JSON.stringify(await eventStoreContents(cluster, 'nexus')),
    leftovers: async () =>
      (await cluster.query(`select query from pg_stat_activity where application_name like 'holdfast%'`)).map(({ query }) => String(query)),
    alive: async (dir) => (await processesIn(dir)).length > 0,
    assertions: {
      holds: {
        name: 'asked by a command',
        run: ['sh', '-c', 'psql -XAtc "select count(*) from event_core.event_log" "$DATABASE_URL" | grep -qx 400'],
      },
      red: [
        { name: 'false', sql: 'select count(*) = 0 from event_core.event_log' },
        { name: 'a command that fails', run: ['false'] },
        { name: 'a command that is not there', run: ['/no/such/program'] },
      ],
    },
    leaks: async ({ connection }) =>
      (
        await askSql(
          connection,
          "select name || '=' || setting as leak from pg_settings where name in ('listen_addresses', 'primary_conninfo') and setting <> ''",
        )
      ).map(({ leak }) => String(leak)),
    tamperings: [
      {
        name: 'an event that came in between',
        change: on("insert into event_core.event_log values (0, gen_random_uuid(), 'main', md5('x')::uuid, 'k', '{}', '2025-01-01', 'x')"),
        undo: on(
          'alter table event_core.event_log disable trigger user; delete from event_core.event_log where global_seq = 0; alter table event_core.event_log enable trigger user',
        ),
        red: /^(table event_core\.event_log|event log|settled events)$/,
      },
      {
        name: 'a watermark beyond the log',
        change: on("update event_core.projector_watermarks set last_processed_seq = 401 where projector_name = 'rel'"),
        undo: on("update event_core.projector_watermarks set last_processed_seq = 400 where projector_name = 'rel'"),
        red: /^(table event_core\.projector_watermarks|watermarks)$/,
      },
      {
        name: 'an embedding that lost a digit',
        change: on('update lens_sem.embedding set vector[3] = vector[3] + 1 where entity_id = 9'),
        undo: on('update lens_sem.embedding set vector[3] = sin(9 * 3)::real where entity_id = 9'),
        red: /^table lens_sem\.embedding$/,
      },
    ],
    async close() {
      await cluster.destroy()
      await rm(scratchRoot, { recursive: true, force: true })
    },
  }
}

describeDriver('postgres-events', openHarness)
