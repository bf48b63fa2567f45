/** Questions to one site of a pair by SQL, from wherever the network reaches it; what needs its disk is in site.ts. */
import type { FailoverGroupConfig } from '../../config/schema.ts'
import { resolveSecret } from '../../config/secrets.ts'
import { HoldfastError } from '../../core/errors.ts'
import { formatConnection, withClient } from '../../drivers/postgres-common/connect.ts'

export interface SiteAnswer {
  inRecovery: boolean
  /** Primary: what is written and flushed. Standby: what is replayed. */
  lsn: string
  receivedLsn?: string
  timeline: number
  systemId: string
  /** Standby: state of the receiver; primary: state of the sender to the other side. */
  streaming: boolean
  lagBytes?: number
}

/** libpq words of a site, password included: for sessions and environments, never for an argument or a message. */
export async function siteConnection(group: FailoverGroupConfig, siteName: string, options: { dbname?: string; replication?: boolean } = {}): Promise<string> {
  const site = group.sites[siteName]
  if (!site) throw new HoldfastError('NOT_FOUND', `No site "${siteName}"; there is ${Object.keys(group.sites).join(', ')}`, { object: siteName })
  const { database } = group
  const password = options.replication ? database.replicationPassword : database.password
  return formatConnection({
    host: site.address, port: String(site.port), user: options.replication ? database.replicationUser : database.user,
    dbname: options.dbname ?? database.dbname, sslmode: database.sslmode, connect_timeout: '5',
    ...(password !== undefined && { password: await resolveSecret(password) }),
  })
}

const QUESTION = `
  select pg_is_in_recovery() as "inRecovery",
    (case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_flush_lsn() end)::text as lsn,
    pg_last_wal_receive_lsn()::text as "receivedLsn",
    (select timeline_id from pg_control_checkpoint()) as timeline,
    (select system_identifier::text from pg_control_system()) as "systemId",
    case when pg_is_in_recovery() then exists (select from pg_stat_wal_receiver where status = 'streaming')
      else exists (select from pg_stat_replication where state = 'streaming') end as streaming,
    (select max(pg_wal_lsn_diff(case when pg_is_in_recovery() then replay_lsn else pg_current_wal_flush_lsn() end, replay_lsn))::text from pg_stat_replication) as lag`

/** Throws SOURCE_UNREACHABLE where the site does not answer. */
export async function askSite(group: FailoverGroupConfig, siteName: string): Promise<SiteAnswer> {
  return withClient(await siteConnection(group, siteName), { timeoutMs: 5_000 }, async (client) => {
    const row = (await client.query(QUESTION)).rows[0]
    return {
      inRecovery: row.inRecovery, lsn: row.lsn, timeline: row.timeline, systemId: row.systemId, streaming: row.streaming,
      ...(row.receivedLsn !== null && { receivedLsn: row.receivedLsn }), ...(row.lag !== null && { lagBytes: Number(row.lag) }),
    }
  })
}
