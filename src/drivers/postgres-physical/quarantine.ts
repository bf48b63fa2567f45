/** The settings of a restored copy: only its own, so that nothing of the source's reaches out from it. */
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import type { RestoreTarget } from '../driver.ts'
import { giveTo, postgresUser } from '../postgres-common/folder.ts'

/** Where replay is to stop: a target, the end of the backup (`immediate`), or at a position that was marked. */
export type Stop = RestoreTarget | { immediate: true }

/** PostgreSQL's own words for the stop. */
export function recoverySettings(stop: Stop, timeline: number): Record<string, string> {
  return { ...targetSettings(stop), recovery_target_timeline: String(timeline), recovery_target_action: 'pause' }
}

function targetSettings(stop: Stop): Record<string, string> {
  if ('immediate' in stop) return { recovery_target: 'immediate' }
  // As given, with its offset: a Date would cut it to milliseconds. Names of zones, "Z" too, are not known that early.
  if (stop.time !== undefined) return { recovery_target_time: stop.time.replace('T', ' ').replace(/Z$/, '+00') }
  // A record that begins at the position is already beyond it: inclusive would replay that one too.
  if (stop.lsn !== undefined) return { recovery_target_lsn: stop.lsn, recovery_target_inclusive: 'off' }
  if (stop.xid !== undefined) return { recovery_target_xid: stop.xid }
  if (stop.name !== undefined) return { recovery_target_name: stop.name }
  if (stop.latest) return {}
  throw new HoldfastError('INPUT_INVALID', 'the target names no time, lsn, xid, name or latest', { object: 'target' })
}

/**
 * Replaces postgresql.auto.conf, where ALTER SYSTEM and the engine write, so that a start by anybody follows these. The
 * source's postgresql.conf is not read at all: startInstance names an empty one.
 */
export async function writeSettings(dataDir: string, settings: Record<string, string>, osUser: string | undefined): Promise<void> {
  const file = join(dataDir, 'postgresql.auto.conf')
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'\n`)
  await writeFile(file, `# written by Holdfast: a quarantined copy\n${lines.join('')}`)
  await chmod(file, 0o600)
  const user = postgresUser(osUser)
  if (user) await giveTo(user, file)
}

/** What a copy needs beside its recovery settings. */
export const COPY_SETTINGS = {
  hot_standby: 'on',
  wal_level: 'replica',
  lc_messages: 'C',
  log_timezone: 'UTC',
  log_line_prefix: '%m [%p] ',
  log_min_messages: 'warning',
  // Nothing but the proof reads it: no worker may change or freeze rows, and the disk need not be waited for.
  autovacuum: 'off',
  fsync: 'off',
  max_replication_slots: '0',
  wal_keep_size: '0',
  max_logical_replication_workers: '0',
} as const
