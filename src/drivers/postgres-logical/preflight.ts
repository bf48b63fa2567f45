/** Whether a dump of this source can succeed, before it is begun. Changes nothing. */
import { join } from 'node:path'
import type { LogicalSourceConfig } from './config.ts'
import { HoldfastError } from '../../core/errors.ts'
import { run } from '../../process/run.ts'
import type { DriverContext, Preflight } from '../driver.ts'
import { type Client, withClient } from '../postgres-common/connect.ts'
import { type Relation, relationsOf } from '../postgres-common/relations.ts'
import { identifier } from '../postgres-common/sql.ts'
import { type DatabaseFacts, factsOf } from './facts.ts'

type Finding = Preflight['findings'][number]

export async function preflight(config: LogicalSourceConfig, connection: string, context: DriverContext): Promise<Preflight> {
  context.onProgress({ phase: 'preflight' })
  const dump = await programVersion(join(config.binDir, 'pg_dump'), context.signal)
  return withClient(connection, {}, async (client) => {
    await client.query('set lock_timeout = 10000')
    const facts = await factsOf(client)
    requireNotOlder(config, dump, facts)
    const relations = (await relationsOf(client, config)).filter(({ ofExtension }) => !ofExtension)
    const findings = [
      partsFinding(config),
      await selectionFinding(client, config),
      await grantsFinding(client, relations),
      globalsFinding(config, facts),
      replicaFinding(facts, relations),
    ]
    return {
      versions: versionsOf(facts, dump),
      estimateBytes: relations.reduce((sum, { bytes }) => sum + bytes, 0),
      findings: findings.filter((finding): finding is Finding => finding !== undefined),
    }
  })
}

/** `15.18`, as the program says. */
export async function programVersion(program: string, signal?: AbortSignal): Promise<string> {
  const { stdout } = await run({ program, args: ['--version'] }, signal ? { signal } : {})
  const found = /(\d+(?:\.\d+)*)/.exec(stdout.replace(/^\S+ /, ''))?.[1]
  if (!found) throw new HoldfastError('VERSION_UNFIT', `${program} does not say its version: ${stdout.trim()}`, { object: program })
  return found
}

function requireNotOlder(config: LogicalSourceConfig, dump: string, facts: DatabaseFacts): void {
  const server = Math.floor(facts.versionNumber / 10_000)
  if (Number.parseInt(dump, 10) >= server) return
  throw new HoldfastError('VERSION_UNFIT', `pg_dump ${dump} in ${config.binDir} is older than the server, which is ${facts.version}`, {
    object: config.binDir,
    next: `install the client programs of PostgreSQL ${server} and set binDir to their folder`,
  })
}

function versionsOf(facts: DatabaseFacts, dump: string): Record<string, string> {
  const extensions = Object.entries(facts.extensions).map(([name, version]) => [`extension ${name}`, version])
  const collation = facts.collationVersion ? [['collation', facts.collationVersion]] : []
  return Object.fromEntries([
    ['postgresql', facts.version],
    ['pg_dump', dump],
    ['encoding', facts.encoding],
    ['locale', facts.icuLocale ?? facts.collate],
    ...collation,
    ...extensions,
  ])
}

function partsFinding({ parts }: LogicalSourceConfig): Finding {
  const ok = parts.some((part) => part === 'database' || part === 'plain' || part === 'schema')
  return {
    name: 'parts',
    ok,
    required: true,
    detail: ok ? parts.join(', ') : `${parts.join(', ')} cannot be restored alone`,
    next: 'add database, or schema, to the parts of the source',
  }
}

/** A pattern that matches nothing is a misspelt name: silence would leave the table out of every backup. */
async function selectionFinding(client: Client, config: LogicalSourceConfig): Promise<Finding | undefined> {
  const { schemas = [], tables = [], excludeTables = [] } = config
  const empty: string[] = []
  for (const table of [...tables, ...excludeTables]) if ((await relationsOf(client, { tables: [table] })).length === 0) empty.push(table)
  for (const schema of schemas) if ((await relationsOf(client, { schemas: [schema] })).length === 0) empty.push(schema)
  if (schemas.length + tables.length + excludeTables.length === 0) return undefined
  return {
    name: 'selection',
    ok: empty.length === 0,
    required: true,
    detail: empty.length === 0 ? 'every pattern matches' : `nothing matches ${empty.join(', ')}`,
    next: 'correct schemas, tables or excludeTables of the source',
  }
}

async function grantsFinding(client: Client, relations: Relation[]): Promise<Finding> {
  const { rows } = await client.query<{ name: string; schema: string; usage: boolean; read: boolean; hidden: boolean }>(
    `select format('%I.%I', n.nspname, c.relname) as name, n.nspname as schema, has_schema_privilege(n.oid, 'usage') as usage,
       has_table_privilege(c.oid, 'select') as read, row_security_active(c.oid) as hidden
     from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid::int8 = any($1::int8[])
       and not (has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select') and not row_security_active(c.oid)) order by 1 limit 20`,
    [relations.map(({ oid }) => oid)],
  )
  const {
    rows: [who],
  } = await client.query<{ role: string }>('select current_user as role')
  const role = identifier(who?.role ?? '')
  const statements = rows.map(({ name, schema, usage, read }) =>
    !usage
      ? `grant usage on schema ${identifier(schema)} to ${role}`
      : !read
        ? `grant select on ${name} to ${role}`
        : `alter role ${role} bypassrls`,
  )
  return {
    name: 'grants',
    ok: rows.length === 0,
    required: true,
    detail:
      rows.length === 0 ? `${role} may read every table of it` : `${role} may not read all of ${rows.map(({ name }) => name).join(', ')}`,
    next: `${[...new Set(statements)].join('; ')}; for everything at once: grant pg_read_all_data to ${role}`,
  }
}

function globalsFinding({ parts }: LogicalSourceConfig, facts: DatabaseFacts): Finding | undefined {
  if (!parts.includes('globals')) return undefined
  return {
    name: 'role passwords',
    ok: facts.superuser,
    required: false,
    detail: facts.superuser ? 'carried' : 'only a superuser may read them: they are left out',
    next: 'keep the passwords of roles elsewhere, or back up as a superuser',
  }
}

function replicaFinding(facts: DatabaseFacts, relations: Relation[]): Finding | undefined {
  if (!facts.replica) return undefined
  const unlogged = relations.filter((relation) => relation.unlogged).map(({ name }) => name)
  return {
    name: 'replica',
    ok: unlogged.length === 0,
    required: false,
    detail:
      unlogged.length === 0
        ? 'the source is a replica; long queries there may be cancelled by replay'
        : `a replica has no rows of unlogged tables: ${unlogged.join(', ')} are left empty`,
    next: 'set hot_standby_feedback or max_standby_streaming_delay on the replica',
  }
}
