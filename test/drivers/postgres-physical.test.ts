/** Physical points of a real cluster, through real pgBackRest: taken, proved, replayed to a moment and no further. */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect } from '../../src/drivers/postgres-common/connect.ts'
import type { Manifest } from '../../src/core/records.ts'
import type { RestoreTarget } from '../../src/drivers/driver.ts'
import { createPgbackrest } from '../../src/drivers/postgres-physical/pgbackrest.ts'
import { run } from '../../src/process/run.ts'
import { until } from '../../src/process/wait.ts'
import { backrestPids, createPhysicalSource, inCopy, type PhysicalSource, quiet, STANZA } from '../support/physical.ts'

let source: PhysicalSource
let first: Manifest
const points = new Map<string, Manifest>()

beforeAll(async () => {
  source = await createPhysicalSource()
  await source.cluster.query(`
    create table orders (id bigserial primary key, note text not null);
    insert into orders (note) select md5(n::text) from generate_series(1, 2000) n;
    create table "Odd name" (at timestamptz default now(), amount numeric);
    insert into "Odd name" (amount) values (1.10), (2.200), (null);
    select lo_from_bytea(0, 'large');`)
  first = await source.take('first', 'incremental')
})
afterAll(async () => {
  await source?.destroy()
})

const engine = () => createPgbackrest({ configFile: source.configFile, stanza: STANZA })
const archived = async () => (await engine().archive()).segments.map(({ wal }) => wal).sort()
const failures = (assertions: { ok: boolean; name: string }[]) => assertions.filter(({ ok }) => !ok).map(({ name }) => name)

describe('taking', () => {
  test('preflight finds a well archived cluster fit, and says which settings it looked at', async () => {
    const { findings, versions, estimateBytes } = await source.driver.preflight(quiet())
    expect(findings.filter(({ ok }) => !ok)).toEqual([])
    expect(findings.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['wal_level', 'archive_mode', 'archive_command', 'archive_timeout', 'archiver', 'stanza', 'data_checksums']),
    )
    expect(versions.pgbackrest).toMatch(/^\d/)
    expect(estimateBytes).toBeGreaterThan(1_000_000)
  })

  test('the first incremental is a full one, with a warning; the next ones build on it', async () => {
    expect(first.reference?.type).toBe('full')
    expect(first.warnings.join()).toMatch(/incremental was asked for and full was taken/)
    const incremental = await source.take('second', 'incremental')
    points.set('second', incremental)
    expect(incremental.reference).toMatchObject({ type: 'incremental', needs: [first.reference?.label] })
    expect(incremental.warnings).toEqual([])
    const differential = await source.take('third', 'differential')
    points.set('third', differential)
    expect(differential.reference).toMatchObject({ type: 'differential', needs: [first.reference?.label] })
    expect(differential.fileCount).toBeGreaterThan(900)
    expect(differential.storedBytes).toBeLessThan(first.storedBytes / 2)
  })

  test('a pgbackrest killed midway leaves no lock and no backup; the retry of the point leaves exactly one', async () => {
    const killed = source.take('killed', 'full')
    const refused = expect(killed).rejects.toMatchObject({ name: 'HoldfastError' })
    const pids = await until(
      async () => {
        const found = await backrestPids(source.configFile, 'backup')
        return found.length > 0 && found
      },
      { timeoutMs: 30_000, everyMs: 5, what: 'pgbackrest backup to run' },
    )
    for (const pid of pids) process.kill(pid, 'SIGKILL')
    await refused
    expect((await engine().info()).backups.filter(({ pointId }) => pointId === 'killed')).toEqual([])
    const retried = await source.take('killed', 'full', { attempt: 2 })
    const again = await source.take('killed', 'full', { attempt: 3 })
    points.set('killed', again)
    const { backups, busy } = await engine().info()
    expect(busy).toBe(false)
    expect(backups.filter(({ pointId }) => pointId === 'killed')).toHaveLength(1)
    expect(again.reference?.label).toBe(retried.reference?.label)
    expect(again.consistency.restorePoint).not.toBe(retried.consistency.restorePoint)
    expect(await source.cluster.query(`select 1 from pg_stat_activity where application_name like 'pgBackRest%'`)).toEqual([])
  })

  test('a backup that is cancelled leaves no process, no lock and no backup mode', async () => {
    const cancel = new AbortController()
    const cancelled = source.take('cancelled', 'full', { signal: cancel.signal })
    const refused = expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' })
    await until(async () => (await backrestPids(source.configFile, 'backup')).length > 0, {
      timeoutMs: 30_000,
      everyMs: 5,
      what: 'pgbackrest backup to run',
    })
    cancel.abort()
    await refused
    expect(await backrestPids(source.configFile, 'backup')).toEqual([])
    const { backups, busy } = await engine().info()
    expect([busy, backups.filter(({ pointId }) => pointId === 'cancelled')]).toEqual([false, []])
    expect(await source.cluster.query(`select 1 from pg_stat_activity where application_name like 'pgBackRest%'`)).toEqual([])
  })

  test('an archive that fails now is found by preflight, and nothing waits for it in vain', async () => {
    const [before] = await source.cluster.query('show archive_command')
    await source.cluster.query(`alter system set archive_command = '/bin/false pgbackrest'`)
    await source.cluster.query('select pg_reload_conf()')
    try {
      await expect(source.driver.switchWal()).rejects.toMatchObject({
        code: 'ARCHIVE_UNHEALTHY',
        message: expect.stringMatching(/archive_command failed \d+ times/),
      })
      const failing = (await source.driver.preflight(quiet())).findings.find(({ name }) => name === 'archiver')
      expect(failing).toMatchObject({
        ok: false,
        required: true,
        detail: expect.stringMatching(/archiving fails now: [0-9A-F]{24}/),
        next: expect.stringContaining('archive_command'),
      })
      expect(await source.driver.archiveHealth()).toMatchObject({ failing: true, archiveMode: 'on', walLevel: 'replica' })
    } finally {
      await source.cluster.query('alter system reset archive_command')
      await source.cluster.query('select pg_reload_conf()')
    }
    expect((await source.cluster.query('show archive_command'))[0]).toEqual(before)
    await source.driver.switchWal()
  })

  test('two backups at once: the second is told who is in the way', async () => {
    const running = source.take('running', 'differential')
    await until(async () => (await backrestPids(source.configFile, 'backup')).length > 0, {
      timeoutMs: 30_000,
      everyMs: 5,
      what: 'pgbackrest backup to run',
    })
    await until(async () => (await engine().info()).busy, { timeoutMs: 30_000, everyMs: 5, what: 'its lock' })
    await expect(source.take('refused', 'differential')).rejects.toMatchObject({ code: 'BUSY', retryable: true })
    points.set('running', await running)
  })
})

describe('proving', () => {
  test('contents at a barrier under load are the contents of the copy, down to pages and indexes', async () => {
    // So many that one of them surely commits between a snapshot and a mark that no lock holds together.
    let writing = true
    const writers = Array.from({ length: 6 }, async () => {
      const client = await connect(source.cluster.connection())
      while (writing) await client.query(`insert into orders (note) values ('under load')`)
      await client.end()
    })
    const manifest = await source.take('loaded', 'incremental').finally(() => {
      writing = false
    })
    await Promise.all(writers)
    points.set('loaded', manifest)
    expect(manifest.warnings).toEqual([])
    expect(Object.keys(manifest.content?.tables ?? {})).toEqual(['public."Odd name"', 'public.orders'])
    await inCopy(source, manifest, {}, async ({ target, stoppedAt }) => {
      expect(stoppedAt).toMatchObject({ paused: true, lsn: manifest.consistency.lsn, timeline: 1 })
      const assertions = await source.driver.verify(quiet(), manifest, target, {
        depth: 'full',
        assertions: [
          { name: 'has orders', sql: 'select count(*) > 2000 from orders' },
          { name: 'is wrong', sql: 'select false' },
        ],
      })
      expect(failures(assertions)).toEqual(['is wrong'])
      expect(assertions.map(({ name }) => name)).toEqual(
        expect.arrayContaining([
          'restore point',
          'position',
          'table public.orders',
          'definitions',
          'large objects',
          'amcheck',
          'page checksums',
        ]),
      )
    })
  })

  test('one altered row turns the proof red and is named', async () => {
    const manifest = points.get('loaded') as Manifest
    await inCopy(source, manifest, { promote: true }, async ({ target }, rows) => {
      expect(failures(await source.driver.verify(quiet(), manifest, target, { depth: 'restore', assertions: [] }))).toEqual([])
      await rows(`update orders set note = 'altered' where id = 77`)
      expect(failures(await source.driver.verify(quiet(), manifest, target, { depth: 'restore', assertions: [] }))).toEqual([
        'table public.orders',
      ])
    })
  })

  test('a writer that never ends keeps the barrier out: the backup is taken without it, and says so', async () => {
    const holder = await connect(source.cluster.connection())
    await holder.query(`begin; insert into orders (note) values ('open')`)
    const manifest = await source.take('blocked', 'incremental').finally(() => holder.end())
    expect(manifest.warnings.join()).toMatch(/barrier was not had/)
    expect(manifest.content).toBeUndefined()
    await inCopy(source, manifest, {}, async ({ target }) => {
      const assertions = await source.driver.verify(quiet(), manifest, target, { depth: 'restore', assertions: [] })
      expect(failures(assertions)).toEqual([])
      expect(assertions.map(({ name }) => name).join()).toMatch(/no barrier: contents not compared/)
    })
  })

  test('a manifest of the engine that was exchanged is refused before anything is restored', async () => {
    const manifest = { ...first, reference: { ...(first.reference as NonNullable<Manifest['reference']>), manifestDigest: '0'.repeat(64) } }
    await expect(source.driver.restore(quiet(), manifest, source.artifacts, { dir: source.scratch() })).rejects.toMatchObject({
      code: 'INTEGRITY',
    })
  })

  test('a damaged file in the repository is found by reading it, and by a restore', async () => {
    expect(await source.driver.verifyRepository(quiet())).toEqual({ ok: true, problems: [] })
    const files = await readdir(join(source.root, 'repo/backup', STANZA, String(first.reference?.label)), {
      recursive: true,
      withFileTypes: true,
    })
    const large = (
      await Promise.all(
        files
          .filter((entry) => entry.name.endsWith('.lz4'))
          .map(async ({ parentPath, name }) => ({ path: join(parentPath, name), bytes: await readFile(join(parentPath, name)) })),
      )
    ).sort((a, b) => b.bytes.length - a.bytes.length)[0] as { path: string; bytes: Buffer }
    const damaged = Buffer.from(large.bytes)
    damaged.writeUInt32LE(damaged.readUInt32LE(9000) ^ 0xff00ff, 9000)
    await writeFile(large.path, damaged)
    try {
      const verdict = await source.driver.verifyRepository(quiet())
      expect(verdict.ok).toBe(false)
      expect(verdict.problems.join()).toContain('checksum invalid: 1')
      await expect(inCopy(source, first, {}, async () => {})).rejects.toMatchObject({ code: 'INTEGRITY' })
    } finally {
      await writeFile(large.path, large.bytes)
    }
  })

  test('a restore that the disk cannot hold is refused before it begins', async () => {
    await expect(inCopy(source, { ...first, sizeBytes: 1e15 }, {}, async () => {})).rejects.toMatchObject({
      code: 'SPACE_SHORT',
      next: expect.stringMatching(/free \d+ MiB there/),
    })
  })

  test.runIf(process.getuid?.() === 0)('a disk that fills during a restore is named as that', async () => {
    const small = join(source.root, 'small')
    await mkdir(small)
    await run({ program: 'mount', args: ['-t', 'tmpfs', '-o', 'size=12m,mode=777', 'tmpfs', small] })
    try {
      const filled = engine().restore({ label: String(first.reference?.label), dataDir: join(small, 'data'), workDir: small, ...quiet() })
      await expect(filled).rejects.toMatchObject({ code: 'SPACE_SHORT' })
    } finally {
      await run({ program: 'umount', args: [small] })
    }
  })
})

describe('point in time', () => {
  const marks: { before: { count: number; time: string; lsn: string }; xid: string }[] = []
  const count = async () => Number((await source.cluster.query('select count(*) as n from orders'))[0]?.n)

  beforeAll(async () => {
    for (let round = 0; round < 2; round++) {
      const [state] = await source.cluster.query(`select clock_timestamp()::text as time, pg_current_wal_lsn()::text as lsn`)
      const before = { count: await count(), time: new Date(String(state?.time)).toISOString(), lsn: String(state?.lsn) }
      const [given] = await source.cluster.query(
        `insert into orders (note) values ('marked ${round}') returning pg_current_xact_id()::text as xid`,
      )
      marks.push({ before, xid: String(given?.xid) })
    }
    await source.cluster.query(`select pg_create_restore_point('by_hand')`)
    await source.cluster.query(`delete from orders where id > 100`)
    await source.driver.switchWal()
  })

  const recovered = async (to: RestoreTarget, base = 'loaded') =>
    inCopy(source, points.get(base) as Manifest, { to, promote: true }, async ({ stoppedAt }, rows) => ({
      stoppedAt,
      count: Number((await rows('select count(*) as n from orders'))[0]?.n),
    }))

  test('by time, LSN, xid and name: to it and no further', async () => {
    const [one, two] = marks as [(typeof marks)[0], (typeof marks)[0]]
    const byTime = await recovered({ time: two.before.time })
    expect(byTime.count).toBe(two.before.count)
    expect(Date.parse(String(byTime.stoppedAt?.time))).toBeLessThanOrEqual(Date.parse(two.before.time))
    expect((await recovered({ lsn: one.before.lsn })).count).toBe(one.before.count)
    const byXid = await recovered({ xid: one.xid })
    expect(byXid).toMatchObject({ count: one.before.count + 1, stoppedAt: { xid: one.xid } })
    expect((await recovered({ name: 'by_hand' })).count).toBe(two.before.count + 1)
  })

  test('latest reaches the end of the archive, and a copy that writes never archives into the stanza', async () => {
    const before = await archived()
    const files = async () => (await readdir(source.root, { recursive: true })).filter((name) => name.startsWith('repo/archive')).sort()
    const listing = await files()
    await inCopy(source, points.get('loaded') as Manifest, { to: { latest: true } }, async ({ stoppedAt }, rows) => {
      expect(stoppedAt?.paused).toBe(false)
      expect(Number((await rows('select count(*) as n from orders'))[0]?.n)).toBe(await count())
      await rows(`insert into orders (note) select repeat('x', 1000) from generate_series(1, 1000)`)
      await rows('select pg_switch_wal()')
      expect(
        await rows(
          `select current_setting('archive_mode') as a, (select setting from pg_settings where name = 'archive_command') as b, current_setting('listen_addresses') as c`,
        ),
      ).toEqual([{ a: 'off', b: '(disabled)', c: '' }])
    })
    expect(await archived()).toEqual(before)
    expect(await files()).toEqual(listing)
  })

  test('the plan takes the newest backup that stopped before the target', async () => {
    const manifests = [first, ...points.values()]
    const [one] = marks as [(typeof marks)[0]]
    expect(await source.driver.plan({ lsn: one.before.lsn }, manifests)).toMatchObject({
      label: points.get('loaded')?.reference?.label,
      timeline: 1,
      pointId: 'loaded',
    })
    expect(await source.driver.plan({ xid: one.xid }, manifests)).toMatchObject({ pointId: 'loaded' })
    const second = points.get('third') as Manifest
    expect(await source.driver.plan({ lsn: String(second.consistency.lsn) }, manifests)).toMatchObject({ pointId: 'third' })
  })

  test('a target before the first and after the last recoverable moment is refused, naming both', async () => {
    const long = { time: '2001-01-01T00:00:00+00:00' }
    await expect(source.driver.plan(long)).rejects.toMatchObject({
      code: 'TARGET_OUT_OF_RANGE',
      message: expect.stringMatching(/first recoverable moment is .* the last/),
    })
    await expect(recovered(long)).rejects.toMatchObject({ code: 'TARGET_OUT_OF_RANGE' })
    await expect(source.driver.plan({ time: '2999-01-01T00:00:00Z' })).rejects.toMatchObject({ code: 'TARGET_OUT_OF_RANGE' })
    await expect(source.driver.plan({ lsn: 'FF/0' })).rejects.toMatchObject({ code: 'TARGET_OUT_OF_RANGE' })
    await expect(source.driver.plan({ time: '2025-01-01 10:00:00' })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  })

  test('a name that was never written ends the copy: where replay did stop is said', async () => {
    await expect(recovered({ name: 'never' })).rejects.toMatchObject({
      code: 'TARGET_NOT_REACHED',
      message: expect.stringMatching(/replay ended at \S+, its last commit at/),
      details: { lastWal: expect.any(String) },
    })
  })

  test('limits that the source raised after the backup do not stop replay for good', async () => {
    await source.cluster.query(`alter system set max_connections = 90`)
    await source.cluster.stop()
    await source.cluster.start()
    await source.cluster.query(`insert into orders (note) values ('after the raise')`)
    await source.driver.switchWal()
    expect((await recovered({ latest: true })).count).toBe(await count())
  })

  test('after a promotion the timelines are told apart, and each is reached', async () => {
    await source.cluster.query(`insert into orders (note) values ('last on timeline 1')`)
    const before = await count()
    const [at] = await source.cluster.query('select pg_current_wal_lsn()::text as lsn')
    await source.cluster.stop()
    await writeFile(join(source.cluster.dataDir, 'standby.signal'), '')
    await source.cluster.start()
    await source.cluster.query('select pg_promote()')
    await source.cluster.query(`insert into orders (note) values ('on timeline 2')`)
    await source.driver.switchWal()
    const { windows } = await source.driver.window()
    expect(windows.map(({ timeline }) => timeline)).toEqual([1, 2])
    const plan = await source.driver.plan({ latest: true })
    expect(plan.timeline).toBe(2)
    expect((await recovered({ latest: true })).count).toBe(before + 1)
    const old = await recovered({ lsn: String(at?.lsn), timeline: 1 })
    expect(old).toMatchObject({ count: before, stoppedAt: { timeline: 1 } })
  })

  test('a hole in the WAL is in the window, and a target beyond it is refused', async () => {
    const manifest = points.get('loaded') as Manifest
    const folder = join(source.root, 'repo/archive', STANZA, '15-1', '0000000100000000')
    const stop = String(manifest.reference?.walStop)
    const after = (await readdir(folder)).sort().filter((name) => /^[0-9A-F]{24}-/.test(name) && name.slice(0, 24) > stop)
    await rm(join(folder, String(after[2])))
    const { gaps, windows } = await source.driver.window()
    expect(gaps).toContainEqual(expect.objectContaining({ timeline: 1, missing: 1 }))
    expect(windows.filter(({ timeline }) => timeline === 1).length).toBeGreaterThanOrEqual(1)
    const beyond = { lsn: String((await source.cluster.query(`select pg_current_wal_lsn()::text as lsn`))[0]?.lsn) }
    await expect(recovered(beyond)).rejects.toMatchObject({
      code: 'TARGET_OUT_OF_RANGE',
      message: expect.stringMatching(/1 WAL segments between .* are missing/),
    })
    await expect(recovered({ latest: true })).rejects.toMatchObject({ code: 'TARGET_OUT_OF_RANGE' })
  })
})

describe('expiring', () => {
  test('a backup that another needs stays; one that nobody needs goes, twice without complaint', async () => {
    await expect(source.driver.expirePoint(first.reference?.label ?? '')).rejects.toMatchObject({
      code: 'POINT_PROTECTED',
      message: expect.stringContaining(String(points.get('third')?.reference?.label)),
    })
    const third = points.get('third') as Manifest
    const label = String(third.reference?.label)
    const oldest = String(first.reference?.walStart)
    expect((await archived())[0]).toBe('000000010000000000000001')
    await source.driver.expirePoint(label)
    await source.driver.expirePoint(label)
    const labels = (await engine().info()).backups.map((backup) => backup.label)
    expect(labels).not.toContain(label)
    expect(labels).toContain(first.reference?.label)
    expect((await archived())[0]).toBe(oldest)
  })

  test('WAL between older backups goes only when asked, and never what one of them needs for itself', async () => {
    const before = await archived()
    await source.driver.expireWal()
    expect(await archived()).toEqual(before)
    await source.driver.expireWal(1)
    const after = await archived()
    expect(after.length).toBeLessThan(before.length)
    expect(after).toContain(first.reference?.walStop)
    await expect(source.driver.expireWal(0)).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  })
})
