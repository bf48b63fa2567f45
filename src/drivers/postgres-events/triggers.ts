/** Triggers of the users' own, off for the length of a transaction: a log that refuses deletes, a column that says when. */
import type { Client } from '../postgres-common/connect.ts'

/** Statements; foreign keys stay checked. Each trigger is on again in the way that it was. */
export async function withoutTriggers(client: Client, tables: readonly string[]): Promise<{ off: string; on: string }> {
  const { rows } = await client.query<{ table: string; trigger: string; state: string }>(
    `select format('%I.%I', n.nspname, c.relname) as table, quote_ident(t.tgname) as trigger, t.tgenabled as state
     from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
     where not t.tgisinternal and t.tgenabled <> 'D' and t.tgparentid = 0 and c.oid = any($1::regclass[]::oid[]) order by 1, 2`,
    [tables],
  )
  const again = ({ state }: { state: string }) => (state === 'A' ? 'enable always' : state === 'R' ? 'enable replica' : 'enable')
  return {
    off: rows.map(({ table, trigger }) => `alter table ${table} disable trigger ${trigger}`).join('; '),
    on: rows.map((row) => `alter table ${row.table} ${again(row)} trigger ${row.trigger}`).join('; '),
  }
}
