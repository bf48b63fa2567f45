/** A source's own server: nothing of a run stays on it. */
import { until } from '../../../../src/process/wait.ts'
import type { Row } from '../../../../scripts/toolbox/postgres.ts'

export interface Server {
  query(sql: string): Promise<Row[]>
}

const SESSIONS = `select application_name || ': ' || left(query, 60) as session from pg_stat_activity
  where backend_type = 'client backend' and pid <> pg_backend_pid()`
const OTHERS = `select 'slot ' || slot_name as found from pg_replication_slots where slot_name <> all($slots)
  union all select 'prepared transaction ' || gid from pg_prepared_xacts
  union all select 'database ' || datname from pg_database where datname ~ '_(pre_)?restore_' and datname <> all($databases)`

export interface Expected {
  slots?: readonly string[]
  databases?: readonly string[]
}

/** Sessions get a moment: a server sees only in time that its client was killed. */
export async function serverProblems(server: Server, { slots = [], databases = [] }: Expected = {}): Promise<string[]> {
  let sessions: string[] = []
  await until(
    async () => {
      sessions = (await server.query(SESSIONS)).map(({ session }) => `session ${String(session)}`)
      return sessions.length === 0
    },
    { timeoutMs: 10_000, everyMs: 200, what: 'the sessions to end' },
  ).catch(() => {})
  const others = await server.query(OTHERS.replace('$slots', arrayOf(slots)).replace('$databases', arrayOf(databases)))
  return [...sessions, ...others.map(({ found }) => String(found))]
}

const arrayOf = (names: readonly string[]) => `array[${names.map((name) => `'${name}'`).join(', ')}]::text[]`
