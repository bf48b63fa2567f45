/** The canary: rows that say when a write was last known to be good, and in which epoch. */
import { type Site, withSite } from './site.ts'

export interface Canary {
  at: string
  epoch: number
  note: string
}

const CREATE = `create schema if not exists holdfast;
create table if not exists holdfast.canary (at timestamptz not null, epoch bigint not null, note text not null)`

/** Writes one row, making the table where it is missing; resolves once it is committed, with the row and its position. */
export async function writeCanary(site: Site, { epoch, note }: { epoch: number; note: string }): Promise<Canary & { lsn: string }> {
  return withSite(site, async (client) => {
    const {
      rows: [found],
    } = await client.query<{ there: boolean }>("select to_regclass('holdfast.canary') is not null as there")
    if (!found?.there) await client.query(CREATE)
    // Acknowledged once it is on this site's disk: after a failover no standby may be there to wait for.
    await client.query('set synchronous_commit = local')
    const {
      rows: [row],
    } = await client.query<{ at: Date }>('insert into holdfast.canary values (clock_timestamp(), $1, $2) returning at', [epoch, note])
    const {
      rows: [end],
    } = await client.query<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn')
    return { at: (row as { at: Date }).at.toISOString(), epoch, note, lsn: (end as { lsn: string }).lsn }
  })
}

/** The newest row, or undefined where there is none; readable on a standby too. */
export async function readCanary(site: Site): Promise<Canary | undefined> {
  return withSite(site, async (client) => {
    const {
      rows: [found],
    } = await client.query<{ there: boolean }>("select to_regclass('holdfast.canary') is not null as there")
    if (!found?.there) return undefined
    const {
      rows: [row],
    } = await client.query<{ at: Date; epoch: string; note: string }>(
      'select at, epoch, note from holdfast.canary order by at desc limit 1',
    )
    return row && { at: row.at.toISOString(), epoch: Number(row.epoch), note: row.note }
  })
}
