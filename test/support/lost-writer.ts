/** A client that writes in every way there is, and knows what it was told. */
import { createHash } from 'node:crypto'
import type pg from 'pg'
import type { Side } from './failback.ts'

const BIG = Array.from({ length: 4000 }, (_, index) => createHash('sha256').update(String(index)).digest('hex')).join('')
const ODD = 'with , and "quotes"\nand a second line'

/** Writes in every way there is, each acknowledged; gives what of it must be found on the old side only. */
export async function writeBehindTheFork(side: Side, begunBefore: pg.Client): Promise<Map<number, string>> {
  const query = (sql: string, db?: string) => side.place.query(sql, db)
  const written = new Map<number, string>()
  for (let id = 100; id < 110; id++) {
    await query(`insert into items values (${id}, 'one ${id}')`)
    written.set(id, `one ${id}`)
  }
  await query("update items set v = 'changed' where id = 1")
  await query('delete from items where id = 2')
  await query(
    "begin; insert into items values (200, 'outer'); savepoint a; insert into items values (201, 'inner'); savepoint b; insert into items values (202, 'undone'); rollback to b; commit",
  )
  await query("begin; insert into items values (300, 'undone'); rollback")
  await query("begin; insert into items values (400, 'prepared'); prepare transaction 'two'")
  await query("commit prepared 'two'")
  await query(`insert into items values (500, '${BIG}')`)
  await query(`insert into items values (501, '${ODD}')`)
  await query("insert into items values (110, 'short-lived')")
  await query('delete from items where id = 110')
  await begunBefore.query('commit')
  await query('insert into notes values (1), (2), (3)', 'side')
  await query("select lo_from_bytea(0, 'a large object')", 'side')
  // Rewritten and frozen rows are still those of their transactions.
  await query('vacuum full notes', 'side')
  await query('vacuum freeze items')
  for (const [id, value] of [
    [1, 'changed'],
    [200, 'outer'],
    [201, 'inner'],
    [400, 'prepared'],
    [500, BIG],
    [501, ODD],
    [21, 'begun before'],
  ] as const)
    written.set(id, value)
  return written
}
