/** Free space where a server keeps its data, asked of the server itself: it may be on another machine. */
import { HoldfastError } from '../../core/errors.ts'
import type { Client } from '../postgres-common/connect.ts'

/** Room for a second copy beside the first, with a tenth more, and for the write-ahead log of loading it; else SPACE_SHORT. */
export async function requireServerSpace(client: Client, databaseBytes: number): Promise<void> {
  const {
    rows: [server],
  } = await client.query<{ place: string; wal: string; may: boolean }>(
    `select current_setting('data_directory') as place, pg_size_bytes(current_setting('max_wal_size'))::text as wal, pg_has_role('pg_execute_server_program', 'usage') as may`,
  )
  const place = server?.place ?? 'the data directory'
  const need = Math.ceil(databaseBytes * 1.1) + Number(server?.wal)
  if (!server?.may) {
    throw new HoldfastError('SPACE_SHORT', `the free space of ${place} cannot be read`, {
      object: place,
      next: 'grant pg_execute_server_program to the role of the source, or restore beside',
    })
  }
  const free = await freeBytes(client)
  if (free < need)
    throw new HoldfastError('SPACE_SHORT', `${place} has ${free} bytes free; a second copy beside the live database needs about ${need}`, {
      object: place,
      details: { free, need },
    })
}

/** The server runs its programs in its data directory. */
async function freeBytes(client: Client): Promise<number> {
  await client.query('begin read write')
  try {
    await client.query('create temporary table holdfast_space (line text) on commit drop')
    await client.query(`copy holdfast_space from program 'LC_ALL=C df -Pk . | tail -n 1'`)
    const { rows } = await client.query<{ line: string }>('select line from holdfast_space')
    return Number(rows[0]?.line.trim().split(/\s+/)[3]) * 1024
  } finally {
    await client.query('rollback')
  }
}
