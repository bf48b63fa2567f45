/** How far a standby is behind, and what the slots keep. What cannot be known is said to be unknown, never taken for zero. */
import { messageOf } from '../../core/errors.ts'
import { type Site, withSite } from './site.ts'
import { parseLsn } from './wal-position.ts'

export interface Lag {
  /** False where either side does not answer or they are on different timelines: unknown lag is too much lag. */
  known: boolean
  /** WAL that the primary has and the standby has not replayed. */
  bytes?: number
  receivedLsn?: string
  replayedLsn?: string
  primaryLsn?: string
  /** True while the standby's receiver reports that it streams. */
  streaming: boolean
  timeline?: number
  why?: string
}

interface StandbyRow {
  standby: boolean
  received: string | null
  replayed: string | null
  streaming: boolean
  timeline: number
}

const STANDBY = `select pg_is_in_recovery() as standby, pg_last_wal_receive_lsn()::text as received, pg_last_wal_replay_lsn()::text as replayed,
  coalesce((select status = 'streaming' from pg_stat_wal_receiver), false) as streaming,
  (select greatest(min_recovery_end_timeline, (select timeline_id from pg_control_checkpoint()),
    (select received_tli from pg_stat_wal_receiver)) from pg_control_recovery()) as timeline`

const PRIMARY = `select case when pg_is_in_recovery() then null else pg_current_wal_insert_lsn()::text end as lsn,
  case when pg_is_in_recovery() then null else ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int end as timeline`

/** The standby is read first: what the primary writes meanwhile counts as lag, so the figure is never too small. */
export async function lagOf(primary: Site | undefined, standby: Site): Promise<Lag> {
  let row: StandbyRow
  try {
    row = await readStandby(standby)
  } catch (error) {
    return { known: false, streaming: false, why: `site ${standby.name} does not answer: ${messageOf(error)}` }
  }
  const seen = {
    streaming: row.streaming,
    timeline: row.timeline,
    ...(row.received ? { receivedLsn: row.received } : {}),
    ...(row.replayed ? { replayedLsn: row.replayed } : {}),
  }
  if (!row.standby) return { ...seen, known: false, why: `site ${standby.name} is no standby` }
  if (!row.replayed) return { ...seen, known: false, why: `site ${standby.name} has replayed nothing yet` }
  if (!primary) return { ...seen, known: false, why: 'the primary cannot be asked' }
  try {
    const position = await withSite(
      primary,
      async (client) => (await client.query<{ lsn: string | null; timeline: number | null }>(PRIMARY)).rows[0],
    )
    if (!position?.lsn) return { ...seen, known: false, why: `site ${primary.name} is in recovery itself` }
    if (position.timeline !== row.timeline) {
      return {
        ...seen,
        known: false,
        primaryLsn: position.lsn,
        why: `timeline ${row.timeline} on ${standby.name}, ${position.timeline} on ${primary.name}`,
      }
    }
    const bytes = parseLsn(position.lsn) - parseLsn(row.replayed)
    return { ...seen, known: true, primaryLsn: position.lsn, bytes: bytes > 0n ? Number(bytes) : 0 }
  } catch (error) {
    return { ...seen, known: false, why: `site ${primary.name} does not answer: ${messageOf(error)}` }
  }
}

function readStandby(standby: Site): Promise<StandbyRow> {
  return withSite(standby, async (client) => (await client.query<StandbyRow>(STANDBY)).rows[0] as StandbyRow)
}

export interface Slot {
  name: string
  kind: string
  active: boolean
  restartLsn?: string
  /** `reserved`, `extended`, `unreserved` or `lost`. */
  walStatus?: string
  /** WAL that the slot holds back on the site's disk. */
  retainedBytes?: number
}

/** The slots of the site, with what each keeps: a dead standby must not fill the primary's disk unseen. */
export async function slotsOf(site: Site): Promise<Slot[]> {
  const rows = await withSite(
    site,
    async (client) =>
      (
        await client.query<{
          name: string
          kind: string
          active: boolean
          lsn: string | null
          status: string | null
          bytes: string | null
        }>(
          `select slot_name as name, slot_type as kind, active, restart_lsn::text as lsn, wal_status as status,
       pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, restart_lsn)::text as bytes
     from pg_replication_slots order by 1`,
        )
      ).rows,
  )
  return rows.map(({ name, kind, active, lsn, status, bytes }) => ({
    name,
    kind,
    active,
    ...(lsn ? { restartLsn: lsn } : {}),
    ...(status ? { walStatus: status } : {}),
    ...(bytes === null ? {} : { retainedBytes: Number(bytes) }),
  }))
}
