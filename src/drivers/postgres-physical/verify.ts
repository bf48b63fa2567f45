/** What a replayed copy is held to. Contents are read while replay stands still; only then is the copy promoted and dug into. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '../../core/errors.ts'
import type { Assertion, Manifest } from '../../core/records.ts'
import { parseLsn } from '../../core/wal.ts'
import { run } from '../../process/run.ts'
import type { DriverContext, Target, UserAssertion } from '../driver.ts'
import { compareContent } from '../postgres-common/compare.ts'
import { type Client, pgEnvironment, withClient } from '../postgres-common/connect.ts'
import { startInstance, stopInstance } from '../postgres-common/instance.ts'
import { postgresUser } from '../postgres-common/folder.ts'
import { withReaders } from '../postgres-common/readers.ts'
import { sequencesOf } from '../postgres-common/sequences.ts'
import { physicalContent } from './barrier.ts'
import { readControlData } from './controldata.ts'
import type { StoppedAt } from './replay.ts'
import { promote, referenceOf, STOP_FILE } from './restore.ts'

export interface Verifying {
  binDir: string
  osUser?: string | undefined
}
export interface VerifyOptions {
  depth: 'restore' | 'full'
  assertions: readonly UserAssertion[]
}

export async function verifyPhysical(
  on: Verifying,
  context: DriverContext,
  manifest: Manifest,
  target: Target,
  options: VerifyOptions,
): Promise<Assertion[]> {
  const found = [
    ...(await positionAssertions(manifest, target)),
    ...(await contentAssertions(on, context, manifest, target)),
    ...(await userAssertions(target.connection, options.assertions)),
  ]
  return options.depth === 'full' ? [...found, ...(await engineAssertions(on, context, target))] : found
}

/** The very record that was marked, on the very system: not merely somewhere near. */
async function positionAssertions(manifest: Manifest, target: Target): Promise<Assertion[]> {
  const { consistency } = manifest
  const stop = await recordedStop(target)
  const actual = await withClient(
    target.connection,
    {},
    async (client) =>
      (
        await client.query<{ system: string; lsn: string | null }>(
          `select system_identifier::text as system, case when pg_is_in_recovery() then pg_last_wal_replay_lsn()::text end as lsn from pg_control_system()`,
        )
      ).rows[0],
  )
  const lsn = actual?.lsn ?? stop?.lsn ?? 'unknown'
  const found: Assertion[] = [
    {
      name: 'database system',
      ok: actual?.system === consistency.systemId,
      expected: consistency.systemId ?? 'unknown',
      actual: actual?.system ?? 'unknown',
    },
  ]
  const reason = stop?.reason ?? 'unknown'
  // A target of its own (point in time) is judged by the restore: only the point itself has a mark to reach.
  if (target.kind === 'beside')
    return [...found, { name: 'replay stopped', ok: stop !== undefined, expected: 'at the target', actual: `${reason}, ${lsn}` }]
  if (consistency.restorePoint) {
    const name = `"${consistency.restorePoint}"`
    return [
      ...found,
      { name: 'restore point', ok: reason.startsWith(`at restore point ${name}`), expected: `at restore point ${name}`, actual: reason },
      { name: 'position', ok: lsn === consistency.lsn, expected: consistency.lsn ?? 'unknown', actual: lsn },
    ]
  }
  const end = String(referenceOf(manifest).lsnStop ?? consistency.lsn ?? '0/0')
  return [
    ...found,
    {
      name: 'position',
      ok: lsn !== 'unknown' && parseLsn(lsn) >= parseLsn(end),
      expected: `${end}, the end of the backup, or later`,
      actual: lsn,
    },
  ]
}

async function recordedStop(target: Target): Promise<StoppedAt | undefined> {
  const text = await readFile(join(target.dir, STOP_FILE), 'utf8').catch(() => undefined)
  return text === undefined ? undefined : (JSON.parse(text) as StoppedAt)
}

async function contentAssertions(
  { binDir }: Verifying,
  { signal, onProgress }: DriverContext,
  manifest: Manifest,
  { connection, kind }: Target,
): Promise<Assertion[]> {
  const { content } = manifest
  if (kind === 'beside') return []
  if (!content) return [await canary(connection)]
  return withReaders(connection, { signal }, async ({ clients: [reader] }) => {
    const client = reader as Client
    const options = { binDir, signal, onProgress: () => onProgress({ phase: 'contents' }) }
    // As one server wrote it: the definitions of both are printed by the same program.
    const actual = { ...(await physicalContent(client, connection, options)), sequences: await sequencesOf(client) }
    return compareContent(content, actual, { sequences: 'replayed' })
  })
}

/** Without a barrier contents cannot be compared: every relation is at least opened. The proof says which of the two it was. */
async function canary(connection: string): Promise<Assertion> {
  const name = 'canary (no barrier: contents not compared)'
  return withClient(connection, {}, async (client) => {
    const { rows } = await client.query<{ relations: number }>(
      `select count(pg_relation_size(oid))::int as relations from pg_class where relkind in ('r', 'i', 'm', 't')`,
    )
    return { name, ok: true, expected: 'every relation can be opened', actual: `${rows[0]?.relations} relations` }
  }).catch((error: unknown) => ({ name, ok: false, expected: 'every relation can be opened', actual: messageOf(error) }))
}

async function userAssertions(connection: string, assertions: VerifyOptions['assertions']): Promise<Assertion[]> {
  const found: Assertion[] = []
  for (const { name, sql } of assertions) {
    const actual = await withClient(connection, {}, async (client) => {
      await client.query('begin read only')
      const { rows } = await client.query<unknown[]>({ text: String(sql), rowMode: 'array' })
      return String(rows[0]?.[0])
    }).catch((error: unknown) => messageOf(error))
    found.push({ name, ok: actual === 'true', expected: 'true', actual })
  }
  return found
}

/** The engine's own checks write, or need the server down: after everything that reads. */
async function engineAssertions(on: Verifying, context: DriverContext, { connection, dir }: Target): Promise<Assertion[]> {
  const { signal, onProgress } = context
  const dataDir = join(dir, 'data')
  await promote(connection, signal)
  onProgress({ phase: 'amcheck' })
  const amcheck = await run(
    { program: join(on.binDir, 'pg_amcheck'), args: ['--all', '--install-missing', '--heapallindexed'], env: pgEnvironment(connection) },
    { accept: [0, 1, 2], signal },
  )
  const found: Assertion[] = [
    {
      name: 'amcheck',
      ok: amcheck.exitCode === 0,
      expected: 'no damage in tables and indexes',
      actual: words(amcheck, 'no damage in tables and indexes'),
    },
  ]
  const control = await readControlData({ dataDir, binDir: on.binDir, osUser: on.osUser })
  if (control['Data page checksum version'] === '0') return found
  onProgress({ phase: 'page checksums' })
  await stopInstance({ dataDir })
  const sums = await run(
    {
      program: join(on.binDir, 'pg_checksums'),
      args: ['--check', '-D', dataDir],
      user: postgresUser(on.osUser),
      env: { LC_ALL: 'C' },
      cwd: '/',
    },
    { accept: [0, 1], signal },
  )
  await startInstance({ dataDir, socketDir: join(dir, 'socket'), binDir: on.binDir, osUser: on.osUser, signal })
  return [...found, { name: 'page checksums', ok: sums.exitCode === 0, expected: 'no bad page', actual: words(sums, 'no bad page') }]
}

function words({ exitCode, stdout, stderr }: { exitCode: number; stdout: string; stderr: string }, well: string): string {
  return exitCode === 0 ? well : `${stdout}${stderr}`.trim().split('\n').slice(0, 5).join(' ')
}
