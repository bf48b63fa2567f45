/** What belongs to a database beside its contents: owner, limit, rights, settings. A database made aside gets those of the live one. */
import type { Client } from '../postgres-common/connect.ts'
import { identifier } from '../postgres-common/sql.ts'

/** Settings that hold lists are stored already quoted. */
const LISTS = [
  'search_path',
  'temp_tablespaces',
  'session_preload_libraries',
  'local_preload_libraries',
  'shared_preload_libraries',
  'unix_socket_directories',
]

/** Copies them from one database of the server to another. */
export async function copyProperties(client: Client, from: string, to: string): Promise<void> {
  const { rows } = await client.query<{ statement: string }>(
    `with source as (select * from pg_database where datname = $1),
       rights as (select (aclexplode(datacl)).* from source),
       settings as (
         select r.rolname, split_part(setting, '=', 1) as name, substr(setting, strpos(setting, '=') + 1) as value
         from source join pg_db_role_setting s on s.setdatabase = source.oid left join pg_roles r on r.oid = s.setrole, unnest(s.setconfig) as setting)
     select format('alter database %I owner to %I', $2::text, pg_get_userbyid(datdba)) as statement from source
     union all select format('alter database %I connection limit %s', $2::text, datconnlimit) from source
     union all select format('revoke all on database %I from public', $2::text) from source where datacl is not null
     union all select format('grant %s on database %I to %s%s', privilege_type, $2::text,
         case when grantee = 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end, case when is_grantable then ' with grant option' else '' end) from rights
     union all select format('comment on database %I is %L', $2::text, shobj_description(oid, 'pg_database')) from source where shobj_description(oid, 'pg_database') is not null
     union all select format('alter %s set %I to %s', case when rolname is null then format('database %I', $2::text) else format('role %I in database %I', rolname, $2::text) end,
         name, case when name = any($3) then value else quote_literal(value) end) from settings`,
    [from, to, LISTS],
  )
  for (const { statement } of rows) await client.query(statement)
}

/** Drops it with its sessions; one that is not there is no error. */
export async function dropDatabase(client: Client, name: string): Promise<void> {
  await client.query(`drop database if exists ${identifier(name)} with (force)`)
}
