/** Loads a recovery point into a server that is ready for it: roles, the database, its contents. */
import { mkdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { LogicalSourceConfig } from './config.ts'
import { HoldfastError } from '../../core/errors.ts'
import type { Artifact, Manifest } from '../../core/records.ts'
import type { Command } from '../../process/command.ts'
import { run } from '../../process/run.ts'
import type { ArtifactSource, DriverContext } from '../driver.ts'
import { type Client, pgEnvironment, withClient, withDatabase } from '../postgres-common/connect.ts'
import { identifier } from '../postgres-common/sql.ts'
import { createDatabaseSql, recordedIn } from './facts.ts'
import { restoreGlobals } from './globals.ts'

export interface Load {
  config: LogicalSourceConfig
  manifest: Manifest
  source: ArtifactSource
  /** Of a superuser, to any database of the server. */
  connection: string
  /** Name of the database to make. */
  database: string
  /** An existing folder for the dump's files, removed by the caller. */
  dir: string
  jobs: number
}

/** Makes the roles that are missing; with `keepExisting` those that are there are not even altered. */
export async function loadRoles(
  { config, manifest, source, connection }: Load,
  { signal }: DriverContext,
  { keepExisting = false } = {},
): Promise<void> {
  const artifact = manifest.artifacts.find(({ role }) => role === 'globals')
  if (artifact)
    return restoreGlobals({
      artifact,
      source,
      connection,
      binDir: config.binDir,
      signal,
      keep: new Set(keepExisting ? await rolesOf(connection) : []),
    })
  // Without globals the owners are known by name only.
  await withClient(connection, {}, async (client) => {
    const { rows } = await client.query<{ role: string }>(
      'select role from unnest($1::text[]) role where not exists (select from pg_roles where rolname = role)',
      [recordedIn(manifest).database.roles],
    )
    for (const { role } of rows) await client.query(`create role ${identifier(role)} nologin`)
  })
}

async function rolesOf(connection: string): Promise<string[]> {
  return withClient(connection, {}, async (client) =>
    (await client.query<{ role: string }>('select rolname::text as role from pg_roles')).rows.map(({ role }) => role),
  )
}

/** Makes the database and fills it from the best part that the point has; tells when an empty one stands there. */
export async function loadDatabase(load: Load, context: DriverContext, onMade: () => Promise<void> = async () => {}): Promise<void> {
  if (!makesItself(load)) {
    await makeDatabase(load)
    await onMade()
  }
  const commands = await fillCommands(load, context)
  for (const command of commands) {
    context.onProgress({ phase: 'restore' })
    await run(command, { signal: context.signal })
  }
  if (commands.length > 1) await withClient(load.connection, { database: load.database }, fillViews)
}

/** Neither definitions nor rows alone fill materialized views. One may read another, so in rounds. */
async function fillViews(client: Client): Promise<void> {
  for (;;) {
    const { rows } = await client.query<{ name: string }>(
      `select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'm' and not c.relispopulated`,
    )
    const failures: unknown[] = []
    for (const { name } of rows) await client.query(`refresh materialized view ${name}`).catch((error: unknown) => failures.push(error))
    if (failures.length === 0) return
    if (failures.length === rows.length) throw failures[0]
  }
}

/** An archive of the whole database holds its name, settings and rights too. */
function makesItself({ manifest, database }: Load): boolean {
  const {
    database: { name },
    selection,
  } = recordedIn(manifest)
  return name === database && !selection.tables?.length && !usesScript(manifest)
}

/** Archives are restored in parallel and say what they hold: the script is the last choice for a whole database. */
function usesScript({ artifacts }: Manifest): boolean {
  const has = (role: string) => artifacts.some((artifact) => artifact.role === role)
  return has('plain') && !has('database') && !has('directory-entry') && !(has('schema') && has('data'))
}

async function makeDatabase({ manifest, connection, database }: Load): Promise<void> {
  const source = recordedIn(manifest)
  await withClient(connection, {}, (client) => client.query(createDatabaseSql(database, source.database)))
  // A dump of chosen tables holds their definitions, not those of the schemas around them.
  if (!source.selection.tables?.length) return
  await withClient(connection, { database }, async (client) => {
    for (const schema of schemasOf(Object.keys(manifest.content?.tables ?? {}))) await client.query(`create schema if not exists ${schema}`)
  })
}

function schemasOf(tables: string[]): string[] {
  return [...new Set(tables.map((name) => /^("(?:[^"]|"")+"|[^.]+)\./.exec(name)?.[1] ?? 'public'))]
}

async function fillCommands(load: Load, context: DriverContext): Promise<Command[]> {
  const { manifest } = load
  const part = (role: string) => manifest.artifacts.find((artifact) => artifact.role === role)
  const entries = manifest.artifacts.filter(({ role }) => role === 'directory-entry')
  if (entries.length > 0) return [restoreCommand(load, await fetchDirectory(load, entries, context))]
  const fetch = (artifact: Artifact) => fetchFile(load, artifact, context)
  const [whole, schema, data, plain] = [part('database'), part('schema'), part('data'), part('plain')]
  if (whole) return [restoreCommand(load, await fetch(whole))]
  if (plain && usesScript(manifest)) return [scriptCommand(load, await fetch(plain))]
  if (!schema)
    throw new HoldfastError('SOURCE_UNFIT', `${manifest.source}/${manifest.id} holds no definitions to restore from`, {
      object: `${manifest.source}/${manifest.id}`,
      next: 'restore another recovery point',
    })
  const definitions = await fetch(schema)
  if (!data) return [restoreCommand(load, definitions)]
  // Rows between the tables and their constraints: neither order nor foreign keys can stand in the way.
  return [
    restoreCommand(load, definitions, '--section=pre-data'),
    restoreCommand(load, await fetch(data), 'rows'),
    restoreCommand(load, definitions, '--section=post-data'),
  ]
}

async function fetchFile({ source, dir }: Load, artifact: Artifact, context: DriverContext): Promise<string> {
  const file = join(dir, artifact.part)
  context.onProgress({ phase: `download ${artifact.part}`, totalBytes: artifact.storedBytes })
  await source.toFile(artifact, file)
  return file
}

async function fetchDirectory(load: Load, entries: Artifact[], context: DriverContext): Promise<string> {
  const folder = join(load.dir, 'directory')
  await mkdir(folder)
  for (const entry of entries) {
    if (basename(entry.part) !== entry.part.replace(/^directory\//, ''))
      throw new HoldfastError('INTEGRITY', `${entry.key} names a file outside of its folder`, { object: entry.key })
    await fetchFile(load, entry, context)
  }
  return folder
}

function restoreCommand(load: Load, from: string, only?: '--section=pre-data' | 'rows' | '--section=post-data'): Command {
  const { config, connection, database, jobs } = load
  const first = makesItself(load) && (only === undefined || only === '--section=pre-data')
  const into = first ? ['--create', '--dbname=template1'] : [`--dbname=${database}`]
  const args = [
    '--exit-on-error',
    '--no-password',
    '--no-tablespaces',
    `--jobs=${jobs}`,
    ...into,
    ...(only && only !== 'rows' ? [only] : []),
    from,
  ]
  return { program: join(config.binDir, 'pg_restore'), args, env: loadEnvironment(connection, database) }
}

function scriptCommand({ config, connection, database }: Load, file: string): Command {
  const args = ['-X', '-q', '-w', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-f', file]
  return { program: join(config.binDir, 'psql'), args, env: loadEnvironment(connection, database) }
}

/** Settings of the session win over those of roles and databases, which were for the source's programs. */
function loadEnvironment(connection: string, database: string): Record<string, string> {
  const settings = [
    'default_transaction_read_only=off',
    'statement_timeout=0',
    'lock_timeout=0',
    'idle_in_transaction_session_timeout=0',
    'synchronous_commit=off',
    'maintenance_work_mem=128MB',
  ]
  return { ...pgEnvironment(withDatabase(connection, database)), PGOPTIONS: settings.map((setting) => `-c ${setting}`).join(' ') }
}
