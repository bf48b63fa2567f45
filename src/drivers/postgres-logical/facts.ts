/** What a server says of a database, as far as a dump, a restore and their records need it. */
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import type { Client } from '../postgres-common/connect.ts'
import type { Selection } from '../postgres-common/relations.ts'
import { identifier } from '../postgres-common/sql.ts'

export interface DatabaseFacts {
  name: string
  owner: string
  encoding: string
  collate: string
  ctype: string
  /** `i` where ICU compares strings. */
  provider: string
  icuLocale: string | null
  /** Version of the library that sorts text: another one may read indexes in another order. */
  collationVersion: string | null
  bytes: number
  /** The role that initdb made; objects of the system belong to it. */
  bootstrapRole: string
  superuser: boolean
  replica: boolean
  version: string
  versionNumber: number
  systemId: string | null
  timeline: number | null
  roles: string[]
  extensions: Record<string, string>
}

/** One look; no more rights needed than to connect. */
export async function factsOf(client: Client): Promise<DatabaseFacts> {
  const { rows } = await client.query<DatabaseFacts>(
    `select d.datname as name, pg_get_userbyid(d.datdba) as owner, pg_encoding_to_char(d.encoding) as encoding, d.datcollate as collate, d.datctype as ctype,
       coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') as provider, coalesce(to_jsonb(d) ->> 'daticulocale', to_jsonb(d) ->> 'datlocale') as "icuLocale",
       to_jsonb(d) ->> 'datcollversion' as "collationVersion", pg_database_size(d.oid)::float8 as bytes,
       pg_get_userbyid(10) as "bootstrapRole", current_setting('is_superuser') = 'on' as superuser, pg_is_in_recovery() as replica,
       current_setting('server_version') as version, current_setting('server_version_num')::int as "versionNumber",
       case when has_function_privilege('pg_control_system()', 'execute') then (select system_identifier::text from pg_control_system()) end as "systemId",
       case when has_function_privilege('pg_control_checkpoint()', 'execute') then (select timeline_id from pg_control_checkpoint()) end as timeline,
       array(select rolname::text from pg_roles where rolname !~ '^pg_' order by 1) as roles,
       (select coalesce(jsonb_object_agg(extname, extversion), '{}') from pg_extension) as extensions
     from pg_database d where d.datname = current_database()`,
  )
  return rows[0] as DatabaseFacts
}

/** The part of the facts that a restore reads from the manifest again. */
export type RecordedDatabase = Pick<
  DatabaseFacts,
  'name' | 'owner' | 'encoding' | 'collate' | 'ctype' | 'provider' | 'icuLocale' | 'bytes' | 'bootstrapRole' | 'roles'
>

/** Stands in the manifest's consistency, beside the selection that was dumped. */
export interface RecordedSource {
  database: RecordedDatabase
  selection: Selection
}

export function recorded(facts: DatabaseFacts): RecordedDatabase {
  const { name, owner, encoding, collate, ctype, provider, icuLocale, bytes, bootstrapRole, roles } = facts
  return { name, owner, encoding, collate, ctype, provider, icuLocale, bytes, bootstrapRole, roles }
}

/** The database and selection of a point; throws INTEGRITY where the manifest does not say. */
export function recordedIn(manifest: Manifest): RecordedSource {
  const { database, selection } = manifest.consistency as Partial<RecordedSource>
  const object = `${manifest.source}/${manifest.id}`
  if (!database?.name || !selection)
    throw new HoldfastError('INTEGRITY', `the manifest of ${object} does not describe its database`, { object })
  return { database, selection }
}

/** An empty database with the source's encoding and order of strings. */
export function createDatabaseSql(name: string, database: RecordedDatabase): string {
  const icu = database.provider === 'i' ? ` locale_provider icu icu_locale ${literal(database.icuLocale ?? '')}` : ''
  return `create database ${identifier(name)} template template0 encoding ${literal(database.encoding)} lc_collate ${literal(database.collate)} lc_ctype ${literal(database.ctype)}${icu}`
}

export function literal(value: string): string {
  return value.includes('\\') ? ` E'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'` : `'${value.replaceAll("'", "''")}'`
}
