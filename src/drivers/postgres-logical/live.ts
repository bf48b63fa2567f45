/** A restore in the place of a live database: beside it on the same server, compared, then swapped by name. */
import { mkdir, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { requireConfirmed } from '../common/confirm.ts'
import type { LogicalSourceConfig } from './config.ts'
import { HoldfastError } from '../../core/errors.ts'
import { stamp } from '../../core/ids.ts'
import type { Manifest } from '../../core/records.ts'
import { orCancelled } from '../common/cancelled.ts'
import type { ArtifactSource, DriverContext, LiveRestore, RestoreChoice } from '../driver.ts'
import { type Client, describeConnection, withClient, withDatabase } from '../postgres-common/connect.ts'
import { recordedIn } from './facts.ts'
import { loadDatabase, loadRoles } from './load.ts'
import { copyProperties, dropDatabase } from './properties.ts'
import { requireServerSpace } from './server-space.ts'
import { swapNames } from './swap.ts'
import { contentAssertions } from './verify.ts'

/** What another driver does to the database beside, once it was compared and before it is swapped in. */
export type Finish = (connection: string, manifest: Manifest, choice: RestoreChoice) => Promise<void>

export function createLive(config: LogicalSourceConfig, connection: string, finish: Finish = async () => {}): LiveRestore {
  return {
    fingerprint: () => fingerprintOf(connection),
    async check(manifest, confirm) {
      await requireDatabase(connection, manifest, confirm)
      requireWhole(manifest)
      await withClient(connection, {}, async (client) => {
        await requireFit(client, connection)
        await requireServerSpace(client, recordedIn(manifest).database.bytes)
      })
      await requireWorkerSpace(config, manifest)
    },
    restoreAside: (context, manifest, source, place) =>
      restoreAside({ config, connection, finish: (made) => finish(made, manifest, place?.choice ?? {}) }, context, manifest, source),
    swap: (manifest, confirm, oid) => swap(connection, manifest, confirm, oid),
    async removeAside(manifest) {
      const { name, maintenance } = await liveDatabase(connection)
      await withClient(connection, { database: maintenance }, (client) => dropDatabase(client, asideName(name, manifest)))
    },
  }
}

/** Which database of which server this is, beyond doubt: `<system identifier>/<database>/<oid>`. */
export async function fingerprintOf(connection: string): Promise<string> {
  return withClient(connection, {}, async (client) => {
    const { rows } = await client.query<{ fingerprint: string }>(
      `select (select system_identifier from pg_control_system()) || '/' || datname || '/' || oid as fingerprint from pg_database where datname = current_database()`,
    )
    return rows[0]?.fingerprint ?? ''
  })
}

/** Throws CONFIRM_MISMATCH, with the command that is right. */
export async function requireDatabase(connection: string, manifest: Manifest, confirm: string): Promise<void> {
  const target = `the live database ${describeConnection(connection)} has`
  requireConfirmed(manifest, confirm, { fingerprint: await fingerprintOf(connection), target, meaning: 'this is the database to replace' })
}

/** In the place of the whole, a selection would be the loss of the rest. */
function requireWhole(manifest: Manifest): void {
  const { schemas, tables, excludeTables } = recordedIn(manifest).selection
  const rows = manifest.artifacts.some(({ role }) => ['database', 'directory-entry', 'data', 'plain'].includes(role))
  if (rows && !schemas?.length && !tables?.length && !excludeTables?.length) return
  const object = `${manifest.source}/${manifest.id}`
  throw new HoldfastError(
    'SOURCE_UNFIT',
    `${object} holds ${rows ? 'a selection of tables' : 'definitions only'}: in the place of the live database the rest would be lost`,
    { object, next: `holdfast restore ${manifest.source} ${manifest.id}, and copy back what is needed` },
  )
}

async function requireFit(client: Client, connection: string): Promise<void> {
  const {
    rows: [is],
  } = await client.query<{ superuser: boolean; replica: boolean }>(
    `select current_setting('is_superuser') = 'on' as superuser, pg_is_in_recovery() as replica`,
  )
  const object = describeConnection(connection)
  if (is?.replica)
    throw new HoldfastError('SOURCE_UNFIT', `${object} is a replica: nothing can be restored over it`, {
      object,
      next: 'connect the source to the primary',
    })
  if (!is?.superuser)
    throw new HoldfastError(
      'SOURCE_UNFIT',
      `a restore over a live database gives objects back to their owners: the role of ${object} is no superuser`,
      { object, next: 'give the source the connection of a superuser, or restore beside' },
    )
}

async function restoreAside(
  { config, connection, finish }: { config: LogicalSourceConfig; connection: string; finish(made: string): Promise<void> },
  context: DriverContext,
  manifest: Manifest,
  source: ArtifactSource,
): Promise<{ database: string; oid: string; bytes: number }> {
  const { name, maintenance } = await liveDatabase(connection)
  const database = asideName(name, manifest)
  const server = withDatabase(connection, maintenance)
  const dir = join(config.scratchDir ?? tmpdir(), `holdfast-restore-${manifest.source}-${manifest.id}`)
  let made: string | undefined
  await rm(dir, { recursive: true, force: true })
  await mkdir(dir, { recursive: true, mode: 0o700 })
  try {
    await withClient(server, {}, (client) => dropDatabase(client, database))
    const load = { config, manifest, source, connection: server, database, dir, jobs: config.jobs }
    await loadRoles(load, context, { keepExisting: true })
    await loadDatabase(load, context, async () => {
      made = await oidOf(server, database)
    })
    await withClient(server, {}, (client) => copyProperties(client, name, database))
    await requireEqual(config, context, manifest, withDatabase(connection, database), database)
    await finish(withDatabase(connection, database))
    if (made === undefined || made !== (await oidOf(server, database))) throw madeAgain(database)
    return {
      database,
      oid: made,
      bytes: await withClient(server, {}, async (client) =>
        Number((await client.query<{ bytes: string }>('select pg_database_size($1)::text as bytes', [database])).rows[0]?.bytes),
      ),
    }
  } catch (error) {
    // The live database was not touched: what was made beside it goes, but never what a later try made under the same name.
    if (made !== undefined && made === (await oidOf(server, database)))
      await withClient(server, {}, (client) => dropDatabase(client, database))
    throw orCancelled(error, context.signal, `the restore into ${database}`, database)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

async function oidOf(server: string, database: string): Promise<string | undefined> {
  return withClient(
    server,
    {},
    async (client) =>
      (await client.query<{ oid: string }>('select oid::text as oid from pg_database where datname = $1', [database])).rows[0]?.oid,
  )
}

async function requireEqual(
  config: LogicalSourceConfig,
  context: DriverContext,
  manifest: Manifest,
  connection: string,
  database: string,
): Promise<void> {
  const assertions = await contentAssertions(config, context, manifest, { kind: 'live', dir: '', connection, database }, 'full')
  const red = assertions.filter(({ ok }) => !ok)
  if (red.length === 0) return
  throw new HoldfastError(
    'VERIFY_FAILED',
    `${database} is not what the manifest says: ${red
      .slice(0, 5)
      .map(({ name, expected, actual }) => `${name}: expected ${expected}, found ${actual}`)
      .join('; ')}`,
    { object: `${manifest.source}/${manifest.id}` },
  )
}

async function swap(connection: string, manifest: Manifest, confirm: string, oid?: string): Promise<{ database: string; keptAs: string }> {
  const { name, maintenance } = await liveDatabase(connection)
  const keptAs = await keptUnder(connection, maintenance, confirm, name)
  if (keptAs) return { database: name, keptAs }
  await requireDatabase(connection, manifest, confirm)
  const aside = asideName(name, manifest)
  const kept = within63(name, `_pre_restore_${stamp(new Date()).slice(0, 15).replace('T', '_')}`)
  await withClient(connection, { database: maintenance }, async (client) => {
    const { rows } = await client.query<{ oid: string }>('select oid::text as oid from pg_database where datname = $1', [aside])
    if (rows[0] && oid !== undefined && rows[0].oid !== oid) throw madeAgain(aside)
    if (!rows[0])
      throw new HoldfastError('NOT_FOUND', `there is no database ${aside} to swap in`, { object: aside, next: 'start the restore again' })
  })
  await swapNames({ connection, maintenance, live: name, aside, kept, ...(oid !== undefined && { oid }) })
  return { database: name, keptAs: kept }
}

function madeAgain(database: string): HoldfastError {
  return new HoldfastError('STORE_CONFLICT', `${database} was made again by another try, and what it holds is not known`, {
    object: database,
    next: 'start the restore again',
  })
}

/** A swap that happened has given another name to the very database that was confirmed. */
async function keptUnder(connection: string, maintenance: string, confirm: string, name: string): Promise<string | undefined> {
  return withClient(connection, { database: maintenance }, async (client) => {
    const { rows } = await client.query<{ kept: string }>(
      `select datname::text as kept from pg_database
       where (select system_identifier from pg_control_system()) || '/' || $2 || '/' || oid = $1 and datname <> $2 and datname ~ '_pre_restore_[0-9_]+$'`,
      [confirm, name],
    )
    return rows[0]?.kept
  })
}

/** The live database's name, and another to connect to while it is renamed. */
async function liveDatabase(connection: string): Promise<{ name: string; maintenance: string }> {
  const name = await withClient(
    connection,
    {},
    async (client) => (await client.query<{ name: string }>('select current_database()::text as name')).rows[0]?.name ?? '',
  )
  return { name, maintenance: name === 'postgres' ? 'template1' : 'postgres' }
}

function asideName(name: string, manifest: Manifest): string {
  return within63(name, `_restore_${manifest.id}`)
}

/** PostgreSQL cuts longer names off, silently: the end tells them apart, so the beginning is cut. */
function within63(name: string, end: string): string {
  let beginning = name
  while (Buffer.byteLength(beginning + end) > 63) beginning = beginning.slice(0, -1)
  return beginning + end
}

async function requireWorkerSpace(config: LogicalSourceConfig, manifest: Manifest): Promise<void> {
  const folder = config.scratchDir ?? tmpdir()
  const { bavail, bsize } = await statfs(folder)
  if (bavail * bsize < manifest.sizeBytes)
    throw new HoldfastError(
      'SPACE_SHORT',
      `${folder} on the worker has ${bavail * bsize} bytes free; the dump needs up to ${manifest.sizeBytes}`,
      { object: folder },
    )
}
