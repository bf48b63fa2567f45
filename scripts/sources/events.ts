/** An event store on a PostgreSQL server of its own: events of two worlds, and the four lenses that project them. */
import { createCluster, OS_USER, POSTGRES_BIN } from '../toolbox/postgres.ts'
import { appendEvents, eventStoreContents, fillEventStore } from './event-store.ts'
import type { OpenSample } from './sample.ts'

const DATABASE = 'nexus'

export const openEvents: OpenSample = async (dir) => {
  const cluster = await createCluster({ dir, dbname: DATABASE })
  try {
    await fillEventStore(cluster, DATABASE)
  } catch (error) {
    await cluster.destroy()
    throw error
  }
  return {
    driver: 'postgres-events',
    config: {
      connection: '${env:EVENTS_DSN}',
      binDir: POSTGRES_BIN,
      ...(OS_USER && { osUser: OS_USER }),
      verify: { assertions: [{ sql: 'select count(*) > 0 from event_core.event_log' }] },
    },
    env: { EVENTS_DSN: cluster.connection(DATABASE) },
    contents: async () => JSON.stringify(await eventStoreContents(cluster, DATABASE)),
    async change() {
      await appendEvents(cluster, DATABASE, 20)
      await cluster.query(`update lens_rel.note set title = title || '!' where note_id % 7 = 0`, DATABASE)
    },
    // As somebody does who meant to load the log again: it takes the outbox with it.
    async destroy() {
      await cluster.query('truncate event_core.event_log cascade; truncate lens_sem.embedding; delete from lens_emo.emo', DATABASE)
    },
    async leftovers() {
      const sessions = await cluster.query(`select application_name as name from pg_stat_activity where application_name like 'holdfast%'`)
      const databases = await cluster.query(
        `select datname as name from pg_database where datname not in ('postgres', 'template0', 'template1', '${DATABASE}') and datname !~ '_pre_restore_[0-9_]+$'`,
      )
      return [...sessions, ...databases].map(({ name }) => String(name))
    },
    close: () => cluster.destroy(),
  }
}
