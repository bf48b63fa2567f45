/** Whether the WAL of a cluster reaches its archive, explained: a backup without its WAL to now is no point in time. */
import { type Client, withClient } from '../postgres-common/connect.ts'
import type { Finding } from '../driver.ts'

export interface ArchiveHealth {
  walLevel: string
  archiveMode: string
  archiveCommand: string
  archiveTimeoutSeconds: number
  lastArchivedWal?: string
  lastArchivedAt?: string
  lastFailedWal?: string
  lastFailedAt?: string
  /** The newest try failed. */
  failing: boolean
  /** Since the last segment was archived, on the server's clock. */
  ageSeconds?: number
  /** WAL written since the last segment that was archived. */
  pendingBytes?: number
}

const QUERY = `
  select current_setting('wal_level') as "walLevel", current_setting('archive_mode') as "archiveMode", current_setting('archive_command') as "archiveCommand",
    (select setting::int from pg_settings where name = 'archive_timeout') as "archiveTimeoutSeconds",
    last_archived_wal as "lastArchivedWal", last_archived_time as "lastArchivedAt", last_failed_wal as "lastFailedWal", last_failed_time as "lastFailedAt",
    coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) as failing,
    extract(epoch from clock_timestamp() - last_archived_time)::float8 as "ageSeconds"
  from pg_stat_archiver`

/** Reads it from the running cluster; nothing is changed. */
export async function archiveHealth(connection: string): Promise<ArchiveHealth> {
  return withClient(connection, {}, readArchiveHealth)
}

export async function readArchiveHealth(client: Client): Promise<ArchiveHealth> {
  const { rows } = await client.query(QUERY)
  const found = Object.fromEntries(
    Object.entries(rows[0] as Record<string, unknown>)
      .filter(([, value]) => value !== null)
      .map(([key, value]) => [key, value instanceof Date ? value.toISOString() : value]),
  ) as unknown as ArchiveHealth
  const pendingBytes = await pendingWal(client, found.lastArchivedWal)
  return pendingBytes === undefined ? found : { ...found, pendingBytes }
}

async function pendingWal(client: Client, wal: string | undefined): Promise<number | undefined> {
  if (!wal || !/^[0-9A-F]{24}$/.test(wal)) return undefined
  const { rows } = await client.query<{ bytes: string }>(
    `
    select greatest(0, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0'::pg_lsn) - (('x' || substr($1, 9, 8))::bit(32)::bigint::numeric * 4294967296
      + (('x' || substr($1, 17, 8))::bit(32)::bigint + 1) * (select setting::bigint from pg_settings where name = 'wal_segment_size')))::text as bytes
    where not pg_is_in_recovery()`,
    [wal],
  )
  return rows[0] ? Number(rows[0].bytes) : undefined
}

export interface HealthLimits {
  rpoSeconds?: number
  command: string
}

/** Each setting by itself, with what would be right. */
export function explainArchive(health: ArchiveHealth, { rpoSeconds, command }: HealthLimits): (Finding & { required: boolean })[] {
  const mode = health.archiveMode !== 'off'
  return [
    finding(
      'wal_level',
      ['replica', 'logical'].includes(health.walLevel),
      `wal_level is ${health.walLevel}`,
      'set wal_level = replica and restart: minimal WAL cannot be replayed',
    ),
    finding(
      'archive_mode',
      mode,
      `archive_mode is ${health.archiveMode}`,
      'set archive_mode = on and restart: without it no WAL leaves the host',
    ),
    commandFinding(health, command),
    timeoutFinding(health, rpoSeconds),
    ...(mode ? [archiverFinding(health)] : []),
  ]
}

function commandFinding({ archiveCommand }: ArchiveHealth, command: string): Finding & { required: boolean } {
  const name = 'archive_command'
  if (archiveCommand === '' || archiveCommand === '(disabled)')
    return finding(name, false, 'archive_command is empty', `set archive_command = '${command}' and reload`)
  if (/^\s*(\/usr)?(\/bin\/)?(true|false|:|exit 0)\s*$/.test(archiveCommand)) {
    return finding(
      name,
      false,
      `archive_command is "${archiveCommand}", which archives nothing`,
      `set archive_command = '${command}' and reload`,
    )
  }
  if (!/\bpgbackrest\b/.test(archiveCommand)) {
    return finding(
      name,
      false,
      `archive_command is "${archiveCommand}", which is not pgbackrest archive-push`,
      `set archive_command = '${command}' and reload`,
    )
  }
  return finding(name, true, `archive_command is "${archiveCommand}"`)
}

function timeoutFinding(
  { archiveTimeoutSeconds: seconds }: ArchiveHealth,
  rpoSeconds: number | undefined,
): Finding & { required: boolean } {
  const detail = seconds === 0 ? 'archive_timeout is 0: a segment is archived only when it is full' : `archive_timeout is ${seconds} s`
  const ok = rpoSeconds === undefined ? seconds > 0 : seconds > 0 && seconds <= rpoSeconds
  const goal = rpoSeconds === undefined ? '60s' : `${Math.max(1, Math.min(60, rpoSeconds))}s`
  const why =
    rpoSeconds === undefined ? 'an idle database keeps its last writes off the archive' : `the objective is ${rpoSeconds} s of loss at most`
  return { ...finding('archive_timeout', ok, detail, `set archive_timeout = ${goal} and reload: ${why}`), required: false }
}

function archiverFinding(health: ArchiveHealth): Finding & { required: boolean } {
  const { failing, lastFailedWal, lastFailedAt, lastArchivedWal, lastArchivedAt } = health
  if (failing) {
    return finding(
      'archiver',
      false,
      `archiving fails now: ${lastFailedWal} at ${lastFailedAt}; the last that succeeded was ${lastArchivedWal ?? 'none'}`,
      'read the log of PostgreSQL for the output of archive_command, then run it by hand as the user of the server',
    )
  }
  if (!lastArchivedWal)
    return { ...finding('archiver', false, 'nothing was archived yet', 'run select pg_switch_wal() and look again'), required: false }
  return finding(
    'archiver',
    true,
    `${lastArchivedWal} was archived at ${lastArchivedAt}${health.pendingBytes === undefined ? '' : `; ${health.pendingBytes} bytes of WAL since`}`,
  )
}

function finding(name: string, ok: boolean, detail: string, next?: string): Finding & { required: boolean } {
  return { name, ok, detail, required: true, ...(ok || next === undefined ? {} : { next }) }
}
