/** The kept copy of an old data directory, started only to be read: no network, no archive, no replication, no writes. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import { type Client, withClient } from '../../drivers/postgres-common/connect.ts'
import { giveTo } from '../../drivers/postgres-common/folder.ts'
import { startInstance, stopInstance } from '../../drivers/postgres-common/instance.ts'
import { readControlData } from './control-data.ts'
import { asPrimary } from './rebuild-folders.ts'
import { type Site, siteUser } from './site.ts'

export interface Isolated {
  /** libpq words of a superuser, without a secret. */
  connection(dbname: string): string
  query<T>(dbname: string, use: (client: Client) => Promise<T>): Promise<T>
}

/** Recovery of what a crash left may take as long as the log is. */
const RECOVERY_MS = 6 * 3600_000

/** Starts the copy, which recovers by itself, and stops it again whatever `use` does. Throws SOURCE_UNFIT where it does not recover. */
export async function withIsolated<T>(site: Site, dataDir: string, use: (instance: Isolated) => Promise<T>): Promise<T> {
  await stopInstance({ dataDir })
  await asPrimary({ dataDir })
  const socketDir = await mkdtemp(join(tmpdir(), 'holdfast-old-'))
  try {
    const user = siteUser(site)
    if (user) await giveTo(user, socketDir)
    const settings = await readOnlySettings({ ...site, dataDir })
    const { port } = await startInstance({
      dataDir,
      socketDir,
      binDir: site.binDir,
      osUser: site.osUser,
      settings,
      logFile: join(dataDir, 'holdfast.log'),
      timeoutMs: RECOVERY_MS,
      signal: site.signal,
    }).catch(unrecovered)
    const words = (role: string) => (dbname: string) => `host=${socketDir} port=${port} user=${quoted(role)} dbname=${quoted(dbname)}`
    const connection = words(await superuser(words(site.database.user)('postgres'), site.database.user))
    return await use({ connection, query: (dbname, run) => withClient(connection(dbname), {}, run) })
  } finally {
    await stopInstance({ dataDir })
    await rm(socketDir, { recursive: true, force: true })
  }
}

async function readOnlySettings(site: Site): Promise<Record<string, string>> {
  const { raw } = await readControlData(site)
  return {
    default_transaction_read_only: 'on',
    autovacuum: 'off',
    restore_command: '',
    checkpoint_timeout: '1d',
    shared_buffers: '64MB',
    // Prepared transactions and slots of the old side must fit, whatever the defaults are.
    max_prepared_transactions: raw['max_prepared_xacts setting'] ?? '0',
    wal_level: 'logical',
    max_replication_slots: '1000',
    max_wal_senders: '0',
    // The copy may be rewound from, and for that its log and its hint bits are needed.
    wal_keep_size: '1000GB',
    wal_log_hints: 'on',
    track_commit_timestamp: raw['track_commit_timestamp setting'] ?? 'off',
  }
}

function unrecovered(cause: unknown): never {
  if (!(cause instanceof HoldfastError) || cause.code !== 'PROCESS_FAILED') throw cause
  const { details, object } = cause
  throw new HoldfastError('SOURCE_UNFIT', `the old data does not recover: ${cause.message}`, { object, cause, details })
}

/** A role that sees every row; the group's own where it may. */
async function superuser(connection: string, preferred: string): Promise<string> {
  return withClient(connection, {}, async (client) => {
    const { rows } = await client.query<{ rolname: string }>(
      'select rolname from pg_roles where rolsuper and rolcanlogin order by rolname <> $1 limit 1',
      [preferred],
    )
    return rows[0]?.rolname ?? preferred
  })
}

function quoted(word: string): string {
  return `'${word.replace(/[\\']/g, '\\$&')}'`
}
