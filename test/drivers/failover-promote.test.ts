/** Drain, promotion and the epoch that keeps a straggler from promoting. */
import { chmod, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { awaitStreaming, createPair, type Pair } from '../../scripts/toolbox/pair.ts'
import { POSTGRES_BIN, postgresFolder, reachableFolder } from '../../scripts/toolbox/postgres.ts'
import { readCanary, writeAsClients } from '../../src/failover/database/canary.ts'
import { awaitReplayEnd, drainArchive, type WalFile } from '../../src/failover/database/drain.ts'
import { fence } from '../../src/failover/database/fence.ts'
import { isPromoted, promote } from '../../src/failover/database/promote.ts'
import { lagOf } from '../../src/failover/database/replication.ts'
import { revokePromotion } from '../../src/failover/database/revoke.ts'
import { readPidFile } from '../../src/failover/database/shared-memory.ts'
import { inspectSite, type Site } from '../../src/failover/database/site.ts'
import { unfence } from '../../src/failover/database/unfence.ts'
import { startDaemon } from '../../src/process/daemon.ts'
import { until } from '../../src/process/wait.ts'
import { siteOf } from '../support/sites.ts'

const STRAGGLER = new URL('../support/straggler.ts', import.meta.url).pathname
const noReturn = async () => {}

let work: string
let archive: string
let pair: Pair
let east: Site
let west: Site

beforeEach(async () => {
  work = await reachableFolder('holdfast-promote-')
  archive = await postgresFolder(join(work, 'archive'))
  pair = await createPair({
    dbname: 'shop',
    settings: {
      archive_mode: 'on',
      archive_command: `test ! -f ${archive}/%f && cp %p ${archive}/%f`,
      restore_command: `cp ${archive}/%f %p`,
      wal_retrieve_retry_interval: '200ms',
    },
  })
  east = siteOf(pair, pair.primary)
  west = siteOf(pair, pair.standby)
  await pair.primary.query('create table writes (id int primary key)')
})
afterEach(async () => {
  await pair?.destroy()
  await rm(work, { recursive: true, force: true })
})

const push = ({ path, name }: WalFile) => ({ program: 'cp', args: [path, join(archive, name)] })
const ids = async (side: { query(sql: string): Promise<Record<string, unknown>[]> }) =>
  (await side.query('select id from writes order by id')).map((row) => row['id'])

async function freezeReceiver(): Promise<() => void> {
  const [row] = await pair.standby.query('select pid from pg_stat_wal_receiver')
  process.kill(row?.['pid'] as number, 'SIGSTOP')
  return () => process.kill(row?.['pid'] as number, 'SIGCONT')
}

/** A worker in a process of its own that has recorded the point of no return and was frozen there. */
async function frozenStraggler(epoch: number) {
  const logFile = join(work, 'straggler.log')
  const go = join(work, 'go')
  const daemon = await startDaemon({ program: process.execPath, args: [STRAGGLER, JSON.stringify({ site: west, epoch, go })] }, { logFile })
  const said = (pattern: RegExp) =>
    until(async () => pattern.exec(await readFile(logFile, 'utf8'))?.[0], { timeoutMs: 60_000, what: String(pattern) })
  await said(/recorded/)
  process.kill(daemon.pid, 'SIGSTOP')
  return {
    said,
    async thaw() {
      await writeFile(go, '')
      process.kill(daemon.pid, 'SIGCONT')
    },
    stop: () => daemon.stop(),
  }
}

test('a planned switch promotes what was stopped cleanly, once, with its canary', async () => {
  await pair.primary.query('insert into writes select generate_series(1, 100)')
  const fenced = await fence(east, { epoch: 1, mode: 'planned', timeoutMs: 20_000 })
  let recorded = 0
  const recordNoReturn = async () => {
    recorded++
  }
  const report = await promote(west, { epoch: 1, recordNoReturn, mustReach: fenced })
  expect(report).toMatchObject({ timeline: 2, previousTimeline: 1, alreadyPromoted: false })
  expect(recorded).toBe(1)
  expect(await ids(pair.standby)).toHaveLength(100)
  expect(await readCanary(west)).toMatchObject({ epoch: 1, note: 'promoted' })
  const again = await promote(west, { epoch: 1, recordNoReturn, mustReach: fenced })
  expect(again).toMatchObject({ timeline: 2, forkLsn: report.forkLsn, alreadyPromoted: true })
  expect(recorded).toBe(1)
  await expect(promote(west, { epoch: 2, recordNoReturn: noReturn })).rejects.toMatchObject({ code: 'STANDBY_UNHEALTHY' })
  expect(await lagOf(east, west)).toMatchObject({ known: false })
})

test('a planned promotion waits for the checkpoint of the clean stop', async () => {
  await pair.standby.query('select pg_wal_replay_pause()')
  await pair.primary.query('insert into writes select generate_series(1, 5000)')
  const fenced = await fence(east, { epoch: 1, mode: 'planned', timeoutMs: 20_000 })
  let recorded = false
  const recordNoReturn = async () => {
    recorded = true
  }
  await expect(promote(west, { epoch: 1, recordNoReturn, mustReach: fenced, timeoutMs: 1_500 })).rejects.toMatchObject({
    code: 'LAG_TOO_LARGE',
  })
  expect(recorded).toBe(false)
  expect(await isPromoted(west)).toBe(false)
  await pair.standby.query('select pg_wal_replay_resume()')
  await promote(west, { epoch: 1, recordNoReturn, mustReach: fenced })
  expect(await ids(pair.standby)).toHaveLength(5000)
})

test('a standby on another timeline is not promoted in a planned switch', async () => {
  const fenced = await fence(east, { epoch: 1, mode: 'planned', timeoutMs: 20_000 })
  await expect(promote(west, { epoch: 1, recordNoReturn: noReturn, mustReach: { ...fenced, timeline: 7 } })).rejects.toMatchObject({
    code: 'STANDBY_UNHEALTHY',
  })
  expect(await isPromoted(west)).toBe(false)
})

test.each(['in the middle of a segment', 'at the end of a segment'])(
  'with pg_wal readable the drain loses nothing that was acknowledged: the log ends %s',
  async (where) => {
    await awaitStreaming(pair.primary)
    const thaw = await freezeReceiver()
    for (let batch = 0; batch < 5; batch++) {
      if (batch > 2) await pair.primary.query('select pg_switch_wal()')
      await pair.primary.query(`insert into writes select generate_series(${batch * 20_000 + 1}, ${(batch + 1) * 20_000})`)
    }
    const whole = where.startsWith('at the end')
    if (whole) await pair.primary.query('select pg_switch_wal()')
    expect((await lagOf(east, west)).bytes).toBeGreaterThan(16 * 1024 * 1024)
    process.kill((await readPidFile(east))?.pid as number, 'SIGKILL')
    await fence(east, { epoch: 1, mode: 'unplanned', timeoutMs: 5_000 })
    thaw()
    const drained = await drainArchive(east, push)
    expect(drained).toMatchObject({ reachable: true, timeline: 1, lastRecord: expect.any(String) })
    expect(drained.partial === undefined).toBe(whole)
    const end = await awaitReplayEnd(west, { quietMs: 2_000, mustPass: drained.lastRecord })
    expect(end.reached).toBe(true)
    await promote(west, { epoch: 1, recordNoReturn: noReturn })
    expect(await ids(pair.standby)).toHaveLength(100_000)
    expect(await drainArchive(east, push)).toMatchObject({ reachable: true, lastRecord: drained.lastRecord })
  },
)

test('a pg_wal that cannot be read is said to be out of reach, and the standby comes to a stable end', async () => {
  process.kill((await readPidFile(east))?.pid as number, 'SIGKILL')
  await fence(east, { epoch: 1, mode: 'unplanned', timeoutMs: 5_000 })
  await rename(join(east.dataDir, 'pg_wal'), join(work, 'lost-disk'))
  expect(await drainArchive(east, push)).toMatchObject({ reachable: false, segments: [], why: expect.stringContaining('pg_wal') })
  expect(await awaitReplayEnd(west, { quietMs: 1_000 })).toMatchObject({ reached: true })
})

test('a drain of a running cluster is refused: its log has no end yet', async () => {
  await expect(drainArchive(east, push)).rejects.toMatchObject({ code: 'FENCE_UNPROVEN' })
})

test('a worker frozen before it sends the promotion, past an abort, does not promote when it thaws', async () => {
  await fence(east, { epoch: 1, mode: 'planned', timeoutMs: 20_000 })
  const straggler = await frozenStraggler(1)
  try {
    expect(await revokePromotion(west, 2)).toMatchObject({ epoch: 2, killed: [], promoted: false })
    await unfence(east, 2)
    await pair.primary.query('insert into writes values (1)')
    await straggler.thaw()
    expect(await straggler.said(/refused: \w+|promoted.*/)).toBe('refused: EPOCH_STALE')
    expect(await inspectSite(west)).toMatchObject({ role: 'standby', epoch: 2 })
    await awaitStreaming(pair.primary)
    await until(async () => (await ids(pair.standby)).length === 1, { timeoutMs: 20_000, what: 'the standby to follow the old primary' })
  } finally {
    await straggler.stop()
  }
})

test('a promotion frozen between the reading of the epoch and the sending is killed by the abort', async () => {
  const binDir = join(work, 'bin')
  const frozen = join(work, 'frozen')
  await mkdir(binDir)
  for (const name of await readdir(POSTGRES_BIN)) if (name !== 'psql') await symlink(join(POSTGRES_BIN, name), join(binDir, name))
  await writeFile(join(binDir, 'psql'), `#!/bin/sh\necho $$ >${frozen}\nkill -STOP $$\nexec ${POSTGRES_BIN}/psql "$@"\n`)
  await chmod(join(binDir, 'psql'), 0o755)
  await fence(east, { epoch: 1, mode: 'planned', timeoutMs: 20_000 })
  const sent = promote({ ...west, binDir }, { epoch: 1, recordNoReturn: noReturn }).then(
    () => 'promoted',
    (error: { code: string }) => error.code,
  )
  const pid = Number(
    await until(async () => (await readFile(frozen, 'utf8').catch(() => '')).trim() || undefined, {
      timeoutMs: 30_000,
      what: 'psql to be frozen',
    }),
  )
  const revoked = await revokePromotion(west, 2, { patienceMs: 300 })
  expect(revoked).toMatchObject({ promoted: false, restarted: true, killed: expect.arrayContaining([pid]) })
  expect(await sent).toBe('PROCESS_FAILED')
  await unfence(east, 2)
  await awaitStreaming(pair.primary)
  expect(await isPromoted(west)).toBe(false)
})

test('an abort that comes after the promotion is told so', async () => {
  await fence(east, { epoch: 1, mode: 'planned', timeoutMs: 20_000 })
  await promote(west, { epoch: 1, recordNoReturn: noReturn })
  expect(await revokePromotion(west, 2)).toMatchObject({ promoted: true, restarted: false })
  await pair.standby.supervise('stop')
  expect(await isPromoted(west)).toBe(true)
})

test('the first good write commits as clients do: one that waits for a standby that is not there is none, and says what to change', async () => {
  const first = (note: string) => writeAsClients(east, { epoch: 1, note }, 2_000)
  expect(await first('alone')).toMatchObject({ epoch: 1, note: 'alone' })
  await pair.primary.query("alter system set synchronous_standby_names = 'nobody'")
  await pair.primary.query('select pg_reload_conf()')
  await until(async () => (await inspectSite(east)).waitsFor === 'nobody', { timeoutMs: 10_000, what: 'the setting' })
  await expect(first('waits')).rejects.toMatchObject({
    code: 'CHECK_FAILED',
    message: expect.stringContaining("commits wait for a standby of synchronous_standby_names = 'nobody'"),
    next: expect.stringContaining('alter system set synchronous_standby_names'),
  })
  const waiting = () => pair.primary.query("select 1 from pg_stat_activity where wait_event = 'SyncRep'")
  await until(async () => (await waiting()).length === 0, { timeoutMs: 10_000, what: 'the waiting session to end' })
  await pair.primary.query('alter system reset synchronous_standby_names')
  await pair.primary.query('select pg_reload_conf()')
  expect(await until(() => first('again').catch(() => undefined), { timeoutMs: 20_000, what: 'a write that ends' })).toMatchObject({
    note: 'again',
  })
})
