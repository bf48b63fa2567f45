/** What pg_controldata says of a data directory, running or not. */
import { join } from 'node:path'
import { run } from '../../process/run.ts'
import { postgresUser } from '../postgres-common/folder.ts'

export type ControlData = Readonly<Record<string, string>>

export async function readControlData(options: { dataDir: string; binDir: string; osUser?: string | undefined }): Promise<ControlData> {
  const { stdout } = await run({
    program: join(options.binDir, 'pg_controldata'),
    args: [options.dataDir],
    env: { LC_ALL: 'C' },
    user: postgresUser(options.osUser),
    cwd: '/',
  })
  return Object.fromEntries(
    stdout.split('\n').flatMap((line) => {
      const found = /^([^:]+):\s*(.*)$/.exec(line)
      return found ? [[found[1], found[2]]] : []
    }),
  )
}

/** The settings that must not be smaller on a copy than they were on the primary, by their name in postgresql.conf. */
const MUST_FOLLOW = {
  max_connections: 'max_connections setting',
  max_worker_processes: 'max_worker_processes setting',
  max_wal_senders: 'max_wal_senders setting',
  max_prepared_transactions: 'max_prepared_xacts setting',
  max_locks_per_transaction: 'max_locks_per_xact setting',
  track_commit_timestamp: 'track_commit_timestamp setting',
} as const

export function settingsToFollow(control: ControlData): Record<string, string> {
  return Object.fromEntries(
    Object.entries(MUST_FOLLOW).flatMap(([setting, line]) => (control[line] === undefined ? [] : [[setting, control[line]]])),
  )
}
