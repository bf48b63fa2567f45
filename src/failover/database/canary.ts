/** The canary: rows that say when a write was last known to be good, and in which epoch. */
import { HoldfastError } from '../../core/errors.ts'
import type { Client } from '../../drivers/postgres-common/connect.ts'
import { type Site, withSite } from './site.ts'

export interface Canary {
  at: string
  epoch: number
  note: string
}

const CREATE = `create schema if not exists holdfast;
create table if not exists holdfast.canary (at timestamptz not null, epoch bigint not null, note text not null)`

interface Note {
  epoch: number
  note: string
}

/** Writes one row, making the table where it is missing; resolves once it is committed, with the row and its position. */
export async function writeCanary(site: Site, note: Note): Promise<Canary & { lsn: string }> {
  return withSite(site, async (client) => {
    await prepare(client)
    const row = await insert(client, note)
    const {
      rows: [end],
    } = await client.query<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn')
    return { ...row, lsn: (end as { lsn: string }).lsn }
  })
}

/**
 * The same with the commit that the server asks of every client: what this one waits for, all of them wait for. Throws
 * CHECK_FAILED where it does not end in time; the session is ended then, and the row may be there.
 */
export async function writeAsClients(site: Site, note: Note, timeoutMs = 10_000): Promise<Canary> {
  return withSite(site, async (client) => {
    await prepare(client)
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    await client.query('reset synchronous_commit')
    const late = AbortSignal.timeout(timeoutMs)
    const written = insert(client, note)
    written.catch(() => {})
    const row = await Promise.race([written, new Promise<undefined>((resolve) => late.addEventListener('abort', () => resolve(undefined)))])
    if (row) return row
    throw await endWaiting(site, (rows[0] as { pid: number }).pid, timeoutMs)
  })
}

/** The table is there afterwards. Acknowledged once on this site's disk: after a failover no standby may be there to wait for. */
async function prepare(client: Client): Promise<void> {
  await client.query('set synchronous_commit = local')
  if (!(await isThere(client))) await client.query(CREATE)
}

async function isThere(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ there: boolean }>("select to_regclass('holdfast.canary') is not null as there")
  return rows[0]?.there ?? false
}

async function insert(client: Client, { epoch, note }: Note): Promise<Canary> {
  const {
    rows: [row],
  } = await client.query<{ at: Date }>('insert into holdfast.canary values (clock_timestamp(), $1, $2) returning at', [epoch, note])
  return { at: (row as { at: Date }).at.toISOString(), epoch, note }
}

async function endWaiting(site: Site, pid: number, timeoutMs: number): Promise<HoldfastError> {
  const names = await withSite(site, async (other) => {
    const { rows } = await other.query<{ names: string }>(
      "select current_setting('synchronous_standby_names') as names, pg_terminate_backend($1)",
      [pid],
    )
    return rows[0]?.names ?? ''
  })
  const waits = names === '' ? '' : `: commits wait for a standby of synchronous_standby_names = '${names}'`
  return new HoldfastError('CHECK_FAILED', `a write on ${site.name} does not end within ${timeoutMs / 1000} s${waits}`, {
    object: site.name,
    ...(names !== '' && {
      next: `on ${site.name}: alter system set synchronous_standby_names = ''; select pg_reload_conf(); then retryStep checks`,
    }),
  })
}

/** The newest row, or undefined where there is none; readable on a standby too. */
export async function readCanary(site: Site): Promise<Canary | undefined> {
  return withSite(site, async (client) => {
    if (!(await isThere(client))) return undefined
    const {
      rows: [row],
    } = await client.query<{ at: Date; epoch: string; note: string }>(
      'select at, epoch, note from holdfast.canary order by at desc limit 1',
    )
    return row && { at: row.at.toISOString(), epoch: Number(row.epoch), note: row.note }
  })
}
