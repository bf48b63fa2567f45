/** Rows like those of a shop: words that compress and digests that do not, with two indexes for each table. */
import type { Cluster } from '../toolbox/postgres.ts'
import { type Bench, orStopped } from './bench.ts'
import { DATABASE } from './names.ts'

const TABLES = 4
/** Heap and indexes together. */
const BYTES_PER_ROW = 210

export async function fill(cluster: Cluster, { size, say, signal }: Bench): Promise<void> {
  const rows = Math.max(1_000, Math.round(size / TABLES / BYTES_PER_ROW))
  for (let number = 1; number <= TABLES; number++) {
    say(`filling table ${number} of ${TABLES} with ${rows} rows`)
    await orStopped(cluster.query(statementsFor(`orders_${number}`, rows), DATABASE), signal)
  }
  // Else the first who reads writes what the transactions left open.
  await orStopped(cluster.query('vacuum freeze analyze', DATABASE), signal)
  await cluster.query('checkpoint', DATABASE)
  const [row] = await cluster.query(`select pg_size_pretty(pg_database_size('${DATABASE}')) as size`)
  say(`the database has ${String(row?.['size'])}`)
}

function statementsFor(table: string, rows: number): string {
  return `create table ${table} as
      select n as id, (random() * 100000)::int as customer, (array['new', 'paid', 'packed', 'sent', 'returned'])[n % 5 + 1] as status,
        round((random() * 1000)::numeric, 2) as amount, md5(n::text) || ' ' || repeat('words of an order, ', (n % 4)::int + 1) as note,
        timestamptz '2026-01-01' + n * interval '1 second' as created
      from generate_series(1, ${rows}::bigint) n;
    alter table ${table} add primary key (id);
    create index on ${table} (customer, created)`
}
