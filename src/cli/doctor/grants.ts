/**
 * What each role must be allowed on the server, as the statements that are missing: ready to be run by a superuser in the
 * session's database. None for a superuser. `rewind` is in src/failover/database/grants.ts.
 */
import type { Client } from '../../drivers/postgres-common/connect.ts'
import { rewindGrants } from '../../failover/database/grants.ts'

interface Role {
  /** Quoted. */
  name: string
  superuser: boolean
  replication: boolean
  /** 150004 for 15.4. */
  version: number
}

/** To capture: read everything, and for a physical point set marks in the WAL. */
export async function backupGrants(client: Client, { physical, barrier }: { physical: boolean; barrier: boolean }): Promise<string[]> {
  const role = await roleOf(client)
  if (role.superuser) return []
  return [
    ...(await readGrants(client, role)),
    ...(physical
      ? await functionGrants(client, role, [
          'pg_create_restore_point(text)',
          'pg_switch_wal()',
          'pg_control_checkpoint()',
          'pg_control_system()',
        ])
      : []),
    ...(physical ? await memberGrants(client, role, 'pg_checkpoint', 150_000) : []),
    ...(physical && barrier ? await lockGrants(client, role) : []),
  ]
}

/** To prove a physical point: the restored copy has the source's roles, and amcheck runs in it as this one. */
export async function verifyGrants(client: Client): Promise<string[]> {
  const role = await roleOf(client)
  if (role.superuser) return []
  const { rows } = await client.query<{ schema: string }>(
    `select quote_ident(n.nspname) as schema from pg_extension e join pg_namespace n on n.oid = e.extnamespace where extname = 'amcheck'`,
  )
  const checks = ['bt_index_check(regclass, boolean)', 'verify_heapam(regclass, boolean, boolean, text, bigint, bigint)']
  const schema = rows[0]?.schema
  const amcheck =
    schema === undefined
      ? ['create extension amcheck schema pg_catalog;', ...checks.map((name) => grantExecute(`pg_catalog.${name}`, role))]
      : await functionGrants(client, role, checks, schema)
  return [...(await readGrants(client, role)), ...(await functionGrants(client, role, ['pg_wal_replay_resume()'])), ...amcheck]
}

/** To fence, promote and rejoin a pair by `database.user` of its group. */
export async function fenceGrants(client: Client, { canary }: { canary: boolean }): Promise<string[]> {
  const role = await roleOf(client)
  if (role.superuser) return []
  return [
    ...(role.replication ? [] : [`alter role ${role.name} replication;`]),
    ...(await functionGrants(client, role, ['pg_promote(boolean, integer)', 'pg_wal_replay_resume()', 'pg_read_file(text)'])),
    ...(await memberGrants(client, role, 'pg_checkpoint', 150_000)),
    ...(await memberGrants(client, role, 'pg_monitor', 100_000)),
    ...(canary ? await canaryGrants(client, role) : []),
  ]
}

/** For pg_rewind and streaming by `database.replicationUser`, asked in the session of another role. */
export async function replicationGrants(client: Client, replicationUser: string): Promise<string[]> {
  const name = client.escapeIdentifier(replicationUser)
  const { rows } = await client.query<{ ready: boolean }>(
    'select rolsuper or (rolcanlogin and rolreplication) as ready from pg_roles where rolname = $1',
    [replicationUser],
  )
  if (!rows[0]) return [`create role ${name} login replication;`]
  return [...(rows[0].ready ? [] : [`alter role ${name} login replication;`]), ...(await rewindGrants(client, replicationUser))]
}

async function roleOf(client: Client): Promise<Role> {
  const { rows } = await client.query<Role>(
    `select quote_ident(rolname) as name, rolsuper as superuser, rolreplication as replication, current_setting('server_version_num')::int as version
     from pg_roles where rolname = current_user`,
  )
  return rows[0] as Role
}

const grantExecute = (name: string, role: Role) => `grant execute on function ${name} to ${role.name};`

async function functionGrants(client: Client, role: Role, names: string[], schema = 'pg_catalog'): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select name from unnest($1::text[]) as name where not coalesce(has_function_privilege(to_regprocedure(name), 'execute'), true)`,
    [names.map((name) => `${schema}.${name}`)],
  )
  return rows.map(({ name }) => grantExecute(name, role))
}

/** Where the server is new enough to have that role; before, only a superuser may. */
async function memberGrants(client: Client, role: Role, of: string, since: number): Promise<string[]> {
  if (role.version < since) return []
  const { rows } = await client.query<{ member: boolean }>(`select pg_has_role($1::name, 'usage') as member`, [of])
  return rows[0]?.member ? [] : [`grant ${of} to ${role.name};`]
}

const OWN_RELATIONS = `from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)'
    and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')`

async function readGrants(client: Client, role: Role): Promise<string[]> {
  const { rows } = await client.query<{ unreadable: string; hidden: string }>(
    `select count(*) filter (where not (has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select'))) as unreadable,
       count(*) filter (where row_security_active(c.oid)) as hidden ${OWN_RELATIONS} and c.relkind in ('r', 'p', 'm', 'S')`,
  )
  const { unreadable = '0', hidden = '0' } = rows[0] ?? {}
  return [
    ...(unreadable === '0'
      ? []
      : [
          role.version >= 140_000
            ? `grant pg_read_all_data to ${role.name};`
            : `grant select on all tables in schema public to ${role.name};`,
        ]),
    ...(hidden === '0' ? [] : [`alter role ${role.name} bypassrls;`]),
  ]
}

/** A SHARE lock, which stops writers for a moment, needs a right to write. */
async function lockGrants(client: Client, role: Role): Promise<string[]> {
  const { rows } = await client.query<{ schema: string }>(
    `select distinct quote_ident(n.nspname) as schema ${OWN_RELATIONS} and c.relkind in ('r', 'p') and c.relpersistence = 'p'
       and not (has_table_privilege(c.oid, 'update') or has_table_privilege(c.oid, 'delete') or has_table_privilege(c.oid, 'truncate')) order by 1`,
  )
  return rows.map(({ schema }) => `grant update on all tables in schema ${schema} to ${role.name};`)
}

async function canaryGrants(client: Client, role: Role): Promise<string[]> {
  // By the catalogue: to_regclass is an error to a role that may not use the schema.
  const { rows } = await client.query<{ database: string; there: boolean; may: boolean }>(
    `select quote_ident(current_database()) as database, c.oid is not null as there,
       case when c.oid is null then has_database_privilege(current_database(), 'create')
         else has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select') and has_table_privilege(c.oid, 'insert') end as may
     from (select 1) as one left join pg_namespace n on n.nspname = 'holdfast' left join pg_class c on c.relnamespace = n.oid and c.relname = 'canary'`,
  )
  const { database = '', there = false, may = true } = rows[0] ?? {}
  if (may) return []
  return there
    ? [`grant usage on schema holdfast to ${role.name};`, `grant select, insert on holdfast.canary to ${role.name};`]
    : [`grant create on database ${database} to ${role.name};`]
}
