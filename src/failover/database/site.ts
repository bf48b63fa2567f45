/** One side of a pair, looked at from its own host: what runs, in which role, where its log stands. Changes nothing. */
import type { FailoverGroupConfig, SiteConfig } from '../../config/schema.ts'
import { messageOf } from '../../core/errors.ts'
import { type Client, formatConnection, pgEnvironment, withClient } from '../../drivers/postgres-common/connect.ts'
import { postgresUser } from '../../drivers/postgres-common/folder.ts'
import { processesIn } from '../../process/in-folder.ts'
import { type ControlData, isPinned, readControlData } from './control-data.ts'
import { readEpoch } from './epoch.ts'

/** A site of the config with its name, the group's database words (secrets already resolved) and what cancels the work. */
export interface Site extends SiteConfig {
  name: string
  database: FailoverGroupConfig['database']
  signal?: AbortSignal
}

export interface SiteState {
  /** A live process works in the data directory, whatever the pid file says. */
  running: boolean
  pids: number[]
  /** `down` also where processes run and nobody answers: then `answer` says why. */
  role: 'primary' | 'standby' | 'down'
  answer?: string
  timeline?: number
  /** A primary's end of log, a standby's replay position, a stopped cluster's latest checkpoint. */
  lsn?: string
  /** synchronous_standby_names, where it is set: every commit waits for one of them once this side is the primary. */
  waitsFor?: string
  controlState?: string
  systemId?: string
  pinned: boolean
  epoch: number
}

/** libpq words for the group's user, with its password where it has one: for sessions and environments, never for argv. */
export function connectionOf(site: Site, options: { dbname?: string; timeoutSeconds?: number } = {}): string {
  const { user, password, dbname, sslmode } = site.database
  return formatConnection({
    host: site.address,
    port: String(site.port),
    user,
    dbname: options.dbname ?? dbname,
    sslmode,
    application_name: 'holdfast',
    connect_timeout: String(options.timeoutSeconds ?? 5),
    ...(password ? { password } : {}),
  })
}

export const environmentOf = (site: Site, dbname?: string): Record<string, string> => pgEnvironment(connectionOf(site, { dbname }))

/** Runs `use` in a session on the site. Throws SOURCE_UNREACHABLE. */
export function withSite<T>(site: Site, use: (client: Client) => Promise<T>): Promise<T> {
  return withClient(connectionOf(site), {}, use)
}

/** The user that may run PostgreSQL's programs on the site. */
export const siteUser = (site: Site): string | undefined => postgresUser(site.osUser)

export async function pidsOf(site: { dataDir: string }): Promise<number[]> {
  return (await processesIn(site.dataDir)).map(({ pid }) => pid).sort((a, b) => a - b)
}

export async function inspectSite(site: Site): Promise<SiteState> {
  const [pids, pinned, epoch, answer] = await Promise.all([pidsOf(site), isPinned(site), readEpoch(site), askRole(site)])
  const control = await readControlData(site).catch(() => undefined)
  return { running: pids.length > 0, pids, pinned, epoch, ...fromControl(control), ...answer }
}

function fromControl(control: ControlData | undefined): Partial<SiteState> {
  if (!control) return {}
  return { controlState: control.state, systemId: control.systemId, timeline: control.timeline, lsn: control.checkpointLsn }
}

const ROLE = `select pg_is_in_recovery() as standby, nullif(current_setting('synchronous_standby_names'), '') as "waitsFor",
  case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end::text as lsn,
  case when pg_is_in_recovery()
    then (select greatest(min_recovery_end_timeline, (select timeline_id from pg_control_checkpoint()),
      (select received_tli from pg_stat_wal_receiver)) from pg_control_recovery())
    else ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int end as timeline`

type Answer = Pick<SiteState, 'role' | 'answer' | 'waitsFor'> & { lsn?: string; timeline?: number }

async function askRole(site: Site): Promise<Answer> {
  try {
    const { standby, lsn, timeline, waitsFor } = await withSite(site, readPosition)
    return { role: standby ? 'standby' : 'primary', lsn: lsn ?? undefined, timeline, ...(waitsFor && { waitsFor }) }
  } catch (error) {
    return { role: 'down', answer: messageOf(error) }
  }
}

export interface Position {
  standby: boolean
  waitsFor: string | null
  lsn: string | null
  timeline: number
}

/** Role, position and timeline, read in one statement; the timeline of a standby that does not stream may be an older one. */
export async function readPosition(client: Client): Promise<Position> {
  const { rows } = await client.query<Position>(ROLE)
  return rows[0] as Position
}
