/**
 * The short barrier: no snapshot corresponds to a WAL position while writers run, so for some milliseconds none may
 * write. Inside, a snapshot is exported and a restore point is written: what replay to the point shows is what the
 * snapshot shows.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '../../core/errors.ts'
import type { Content } from '../../core/records.ts'
import { type Client, closeSession, connect } from '../postgres-common/connect.ts'
import { contentOf } from '../postgres-common/content.ts'
import { relationsOf } from '../postgres-common/relations.ts'
import { movedBetween, sequencesOf } from '../postgres-common/sequences.ts'

export interface Mark {
  /** Name of the restore point in the WAL; absent where the role may not write one. */
  restorePoint?: string
  lsn: string
  time: string
  /** What the tables held at the mark; only behind a barrier. */
  content?: Content
  warnings: string[]
}

export interface MarkOptions {
  name: string
  signal: AbortSignal
  /** Called from time to time while contents are read. */
  onProgress(): void
  /** Where pg_dump is, which gives the definitions. */
  binDir: string
}

const TRIES = 4
const LOCK_MS = 2_000
/** A worker that freezes inside must not hold up the writers: the server ends its session. */
const FROZEN_MS = 10_000

/** Lock not available, statement timeout, deadlock, a table dropped meanwhile: another try may succeed. */
const AGAIN = ['55P03', '57014', '40P01', '42P01']

/** A restore point behind a barrier, with the contents; or, after some tries or without the right to lock, undefined and why. */
export async function markBehindBarrier(connection: string, options: MarkOptions): Promise<Mark | { refused: string }> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await tryBarrier(connection, options)
    } catch (error) {
      const code = (error as { code?: string }).code ?? ''
      options.signal.throwIfAborted()
      if (code === '42501') return { refused: messageOf(error) }
      if (!AGAIN.includes(code)) throw error
      if (attempt === TRIES) return { refused: `${messageOf(error)} (${TRIES} tries)` }
    }
    await delay(100 + Math.random() * 400 * attempt, undefined, { signal: options.signal })
  }
}

async function tryBarrier(connection: string, options: MarkOptions): Promise<Mark> {
  const { name, signal } = options
  const holder = await connect(connection)
  const reader = await connect(connection).catch(async (error: unknown) => {
    await closeSession(holder)
    throw error
  })
  const stop = () => {
    for (const client of [holder, reader]) void closeSession(client)
  }
  signal.addEventListener('abort', stop, { once: true })
  try {
    const tables = await lockable(holder)
    // TRUNCATE and rewrites do not heed snapshots: the reader's weak lock keeps them off until it has read. It comes
    // first, because behind a waiting ALTER TABLE it would wait for the holder that waits for it.
    await reader.query(`begin isolation level repeatable read read only; set local lock_timeout = ${LOCK_MS}`)
    if (tables.length > 0) await reader.query(`lock table ${tables.join(', ')} in access share mode`)
    await holder.query(
      `begin; set local lock_timeout = ${LOCK_MS}; set local statement_timeout = ${LOCK_MS}; set local idle_in_transaction_session_timeout = ${FROZEN_MS}`,
    )
    if (tables.length > 0) await holder.query(`lock table ${tables.join(', ')} in share mode`)
    // Sequences stand outside of snapshots and locks: at the point each is between its value before and after.
    const before = await sequencesOf(holder)
    const { id } = await one<{ id: string }>(holder, 'select pg_export_snapshot() as id')
    await reader.query(`set transaction snapshot '${id}'`)
    const point = await restorePoint(holder, name)
    await holder.query('commit')
    const sequences = movedBetween(before, await sequencesOf(holder))
    const content = await physicalContent(reader, connection, options)
    await reader.query('commit')
    return { ...point, content: { ...content, sequences }, warnings: [] }
  } finally {
    signal.removeEventListener('abort', stop)
    stop()
  }
}

/** The contents that a session sees, as far as replay to a barrier shows the same. */
export async function physicalContent(
  client: Client,
  connection: string,
  { binDir, signal, onProgress }: Omit<MarkOptions, 'name'>,
): Promise<Content> {
  const { id: snapshot } = await one<{ id: string }>(client, 'select pg_export_snapshot() as id')
  return contentOf(client, {
    carried: 'physical',
    sequences: false,
    schema: { connection, binDir, snapshot },
    signal,
    onTable: onProgress,
    // A refresh heeds no snapshot either, and a materialized view cannot be locked: its rows follow from the tables.
    tables: ({ kind }) => kind === 'table',
  })
}

/** A restore point without a barrier: it proves where replay stops, and nothing about contents. */
export async function markWithoutBarrier(connection: string, { name }: MarkOptions): Promise<Mark> {
  const client = await connect(connection)
  try {
    return { ...(await restorePoint(client, name)), warnings: [] }
  } catch (error) {
    if ((error as { code?: string }).code !== '42501') throw error
    const { lsn, time } = await one<{ lsn: string; time: Date }>(
      client,
      'select pg_current_wal_lsn()::text as lsn, clock_timestamp() as time',
    )
    return {
      lsn,
      time: time.toISOString(),
      warnings: ['the role may not call pg_create_restore_point: a proof reaches the end of the backup and no further'],
    }
  } finally {
    await closeSession(client)
  }
}

async function restorePoint(client: Client, name: string): Promise<{ restorePoint: string; lsn: string; time: string }> {
  const { lsn, time } = await one<{ lsn: string; time: Date }>(
    client,
    `select pg_create_restore_point('${name}')::text as lsn, clock_timestamp() as time`,
  )
  return { restorePoint: name, lsn, time: time.toISOString() }
}

/** The tables whose writers the barrier stops, in an order that all barriers keep; large objects where the role may. */
async function lockable(client: Client): Promise<string[]> {
  const tables = (await relationsOf(client))
    .filter(({ kind, unlogged }) => kind === 'table' && !unlogged)
    .map(({ name }) => name)
    .sort()
  const { superuser } = await one<{ superuser: boolean }>(client, 'select rolsuper as superuser from pg_roles where rolname = current_user')
  return superuser ? [...tables, 'pg_catalog.pg_largeobject'] : tables
}

async function one<Row extends object>(client: Client, sql: string): Promise<Row> {
  const { rows } = await client.query<Row>(sql)
  const row = rows[0]
  if (!row) throw new Error(`no row: ${sql}`)
  return row
}
