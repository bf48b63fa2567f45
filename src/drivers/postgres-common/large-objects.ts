/** Large objects as one count and one digest. */
import type { Content } from '../../core/records.ts'
import type { Client } from './connect.ts'

/**
 * Read through the large-object functions, a mebibyte at a time: the pages in the catalogue differ between equal objects
 * (a hole that was dumped comes back as zeros), and only a superuser may read them.
 */
export async function largeObjectsOf(client: Client, depth: 'counts' | 'digests' = 'digests'): Promise<Content['largeObjects']> {
  const {
    rows: [counted],
  } = await client.query<{ count: string }>('select count(*)::text as count from pg_catalog.pg_largeobject_metadata')
  const count = Number(counted?.count)
  if (count === 0 || depth === 'counts') return { count, digest: '' }
  const {
    rows: [found],
  } = await client.query<{ digest: string }>(
    `with opened as materialized (select oid, lo_open(oid, 262144) as handle from pg_catalog.pg_largeobject_metadata),
       sized as materialized (select oid, lo_lseek64(handle, 0, 2) as bytes, handle from opened),
       chunks as (select oid, at, lo_get(oid, at, 1048576) as chunk from sized, generate_series(0, greatest(bytes - 1, 0), 1048576) as at)
     select sum(hashtextextended(oid::text || ':' || at::text || ':' || encode(chunk, 'hex') collate "C", 0))::text as digest from chunks`,
  )
  return { count, digest: found?.digest ?? '' }
}
