/** A private instance with the contents of a recovery point. */
import { statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { LogicalSourceConfig } from './config.ts'
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { run } from '../../process/run.ts'
import { orCancelled } from '../common/cancelled.ts'
import type { ArtifactSource, DriverContext, Restored, Target } from '../driver.ts'
import { formatConnection, pgEnvironment, withClient } from '../postgres-common/connect.ts'
import { removeOwnFolder } from '../common/own-folder.ts'
import { destroyInstance, makeFolder, makeScratchFolder, postgresUser, startInstance } from '../postgres-common/instance.ts'
import { recordedIn } from './facts.ts'
import { loadDatabase, loadRoles } from './load.ts'

/** Made for one load and one look: what protects against a crash only costs time. */
export const LOAD_SETTINGS = {
  fsync: 'off',
  full_page_writes: 'off',
  synchronous_commit: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  autovacuum: 'off',
  shared_buffers: '128MB',
  maintenance_work_mem: '128MB',
  max_wal_size: '4GB',
}
const SCRATCH_SETTINGS = {
  ...LOAD_SETTINGS,
  checkpoint_timeout: '30min',
  max_connections: '30',
  lc_messages: 'C',
}

export async function restoreScratch(
  config: LogicalSourceConfig,
  context: DriverContext,
  manifest: Manifest,
  source: ArtifactSource,
  dir: string,
): Promise<Restored> {
  await destroyInstance(dir)
  await requireSpace(dir, manifest, () => makeScratchFolder(dir, config.osUser))
  try {
    const { connection, database } = await startScratch(config, manifest, dir, context)
    const dump = join(dir, 'dump')
    await makeFolder(dump, config.osUser)
    const load = { config, manifest, source, connection, database, dir: dump, jobs: config.jobs }
    context.onProgress({ phase: 'roles' })
    await loadRoles(load, context)
    await loadDatabase(load, context)
    await removeDump(dump)
    const target: Target = { kind: 'scratch', dir, connection: formatConnection({ ...words(dir, manifest), dbname: database }), database }
    context.onProgress({ phase: 'analyze' })
    // A dump carries no statistics, and without them an assertion may take for ever.
    await run(
      {
        program: join(config.binDir, 'vacuumdb'),
        args: ['--analyze-only', '--quiet', '--no-password', '--jobs=2', `--dbname=${database}`],
        env: pgEnvironment(target.connection),
      },
      { signal: context.signal },
    )
    return { target, bytes: await sizeOf(target.connection) }
  } catch (error) {
    await destroyInstance(dir)
    throw orCancelled(error, context.signal, `the restore into ${dir}`, dir)
  }
}

async function sizeOf(connection: string): Promise<number> {
  return withClient(connection, {}, async (client) =>
    Number((await client.query<{ bytes: string }>('select pg_database_size(current_database())::text as bytes')).rows[0]?.bytes),
  )
}

/** Starts the instance of a scratch folder again, if it does not run. */
export async function startAgain(config: LogicalSourceConfig, dir: string, signal?: AbortSignal): Promise<void> {
  await startInstance({
    dataDir: join(dir, 'data'),
    socketDir: join(dir, 'socket'),
    binDir: config.binDir,
    osUser: config.osUser,
    settings: SCRATCH_SETTINGS,
    ...(signal ? { signal } : {}),
  })
}

async function startScratch(
  config: LogicalSourceConfig,
  manifest: Manifest,
  dir: string,
  context: DriverContext,
): Promise<{ connection: string; database: string }> {
  context.onProgress({ phase: 'instance' })
  const { bootstrapRole, name } = recordedIn(manifest).database
  await run(
    {
      // The same first role as the source's: what the system owns there it owns here.
      program: join(config.binDir, 'initdb'),
      args: ['-D', join(dir, 'data'), '-U', bootstrapRole, '-A', 'trust', '-N', '-E', 'UTF8', '--locale=C', '--no-instructions'],
      user: postgresUser(config.osUser),
      cwd: dir,
    },
    { signal: context.signal },
  )
  await startAgain(config, dir, context.signal)
  const connection = formatConnection({ ...words(dir, manifest), dbname: 'template1' })
  if (name === 'postgres') await withClient(connection, {}, (client) => client.query('drop database postgres'))
  return { connection, database: name }
}

function words(dir: string, manifest: Manifest): Record<string, string> {
  return { host: join(dir, 'socket'), port: '5432', user: recordedIn(manifest).database.bootstrapRole }
}

async function removeDump(dump: string): Promise<void> {
  await run({ program: 'rm', args: ['-rf', '--', dump] })
}

/** The database with its indexes, and the dump's file beside it while it is read. */
async function requireSpace(dir: string, manifest: Manifest, make: () => Promise<void>): Promise<void> {
  await make()
  const { bavail, bsize } = await statfs(dir)
  const need = Math.ceil(recordedIn(manifest).database.bytes * 1.1) + manifest.sizeBytes
  if (bavail * bsize >= need) return
  await removeOwnFolder(dir)
  throw new HoldfastError('SPACE_SHORT', `${dir} has ${bavail * bsize} bytes free; the restore needs about ${need}`, { object: dir })
}
