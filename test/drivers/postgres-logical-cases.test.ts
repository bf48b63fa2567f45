import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cluster, createCluster, openCluster, POSTGRES_BIN, settingsLines } from '../../scripts/toolbox/postgres.ts'
import { freePort } from '../../scripts/toolbox/ports.ts'
import { logicalSource, type LogicalSourceConfig } from '../../src/config/schema.ts'
import { connect } from '../../src/drivers/postgres-common/connect.ts'
import { runningInstance } from '../../src/drivers/postgres-common/instance.ts'
import { createPostgresLogical } from '../../src/drivers/postgres-logical/index.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { run } from '../../src/process/run.ts'
import { until } from '../../src/process/wait.ts'
import { readAll } from '../../src/storage/store.ts'
import { contextFor, failures, nextRequest, openRepository, type Repository, takePoint } from '../conformance/driver.ts'
import { childrenRunning, commandLines } from '../support/processes.ts'
import { fillShop } from '../support/shop.ts'

let cluster: Cluster
let repository: Repository
let root: string
beforeAll(async () => {
  cluster = await createCluster({ dbname: 'shop' })
  await fillShop(cluster, 'shop')
  repository = await openRepository()
  root = await mkdtemp(join(tmpdir(), 'holdfast-cases-'))
  await chmod(root, 0o755)
})
afterAll(async () => {
  await cluster?.destroy()
  for (const dir of [repository?.dir, root]) if (dir) await rm(dir, { recursive: true, force: true })
})

const configOf = (more: Partial<LogicalSourceConfig> = {}): LogicalSourceConfig =>
  logicalSource.parse({ driver: 'postgres-logical', connection: '${env:UNUSED}', repository: 'hot', binDir: POSTGRES_BIN, ...more })
const driverOf = (more: Partial<LogicalSourceConfig> = {}, connection = cluster.connection('shop')) =>
  createPostgresLogical(configOf(more), connection, { lockWaitMs: 1_000 })
const source = () => createSource({ store: repository.store, identityFile: repository.identity.file })
const sessions = async () =>
  (await cluster.query("select query from pg_stat_activity where application_name like 'holdfast%'")).map(({ query }) => query)

async function stored(id: string): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of repository.store.list(`holdfast/v1/orders/${id}/`))
    keys.push(key.slice(`holdfast/v1/orders/${id}/data/`.length))
  for await (const { key } of repository.store.pendingUploads(`holdfast/v1/orders/${id}/`)) keys.push(`upload of ${key}`)
  return keys
}

/** Kills the pg_dump that this process runs; 0 where none does. */
async function killDump(): Promise<number> {
  const [pid = 0] = await childrenRunning('pg_dump')
  try {
    if (pid > 0) process.kill(pid, 'SIGKILL')
    return pid
  } catch {
    return 0
  }
}

/** A point, restored, proved in full; gives what the restored database answers. */
async function roundTrip(driver: ReturnType<typeof driverOf>, ask = 'select 1 as one', work: () => Promise<void> = async () => {}) {
  const request = nextRequest()
  const [manifest] = await Promise.all([takePoint(driver, repository, request), work()])
  const dir = join(root, request.id)
  try {
    const { target } = await driver.restore(contextFor(), manifest, source(), { dir })
    const assertions = await driver.verify(contextFor(), manifest, target, { depth: 'full', assertions: [] })
    const client = await connect(target.connection)
    const { rows } = await client.query(ask)
    await client.end()
    return { manifest, assertions, rows: rows as Record<string, unknown>[], keys: await stored(request.id) }
  } finally {
    await driver.destroy({ dir })
  }
}

describe('every shape of a dump proves equal', () => {
  it('of the whole, with database settings, comment and roles', async () => {
    const { assertions, rows, keys, manifest } = await roundTrip(
      driverOf(),
      `select current_setting('work_mem') as memory, shobj_description((select oid from pg_database where datname = current_database()), 'pg_database') as about,
      (select rolcanlogin from pg_roles where rolname = 'clerk') as clerk`,
    )
    expect(failures(assertions)).toEqual([])
    expect(rows).toEqual([{ memory: '5MB', about: 'a shop', clerk: true }])
    expect(keys).toEqual(['database.zst.age', 'globals.zst.age'])
    expect(Object.keys(manifest.content?.tables ?? {})).toContain('sales.totals')
  })

  it('in directory format, by several jobs, as files that pg_restore -Fd reads', async () => {
    const { assertions, manifest, keys } = await roundTrip(driverOf({ format: 'directory', jobs: 2, scratchDir: root }))
    expect(failures(assertions)).toEqual([])
    expect(keys).toContain('directory/toc.dat.zst.age')
    const folder = join(root, 'by-hand')
    await run({ program: 'mkdir', args: ['-p', folder] })
    for (const artifact of manifest.artifacts.filter(({ role }) => role === 'directory-entry'))
      await source().toFile(artifact, join(folder, artifact.part.replace('directory/', '')))
    const { stdout } = await run({ program: join(POSTGRES_BIN, 'pg_restore'), args: ['-Fd', '--list', folder] })
    expect(stdout).toContain('TABLE DATA sales orders')
    await rm(folder, { recursive: true })
    expect(await readdir(root)).toEqual([])
  })

  it('as definitions and rows apart, and as plain SQL', async () => {
    expect(failures((await roundTrip(driverOf({ parts: ['schema', 'data', 'globals'] }))).assertions)).toEqual([])
    expect(failures((await roundTrip(driverOf({ parts: ['plain', 'globals'] }))).assertions)).toEqual([])
  })

  it('as definitions alone, where no table has rows', async () => {
    const { assertions, rows } = await roundTrip(driverOf({ parts: ['schema', 'globals'] }), 'select count(*)::int as n from sales.orders')
    expect([failures(assertions), rows]).toEqual([[], [{ n: 0 }]])
  })

  it('without globals, with the roles by name', async () => {
    const { assertions, rows } = await roundTrip(
      driverOf({ parts: ['database'] }),
      `select rolcanlogin from pg_roles where rolname = 'clerk'`,
    )
    expect([failures(assertions), rows]).toEqual([[], [{ rolcanlogin: false }]])
  })

  it('of a schema, of a table, and of all but some', async () => {
    const names = async (more: Partial<LogicalSourceConfig>) => {
      const { assertions, rows } = await roundTrip(
        driverOf(more),
        `select string_agg(format('%I', relname), ' ' order by relname) as names from pg_class c join pg_namespace n on n.oid = relnamespace where relkind in ('r', 'S') and nspname !~ '^(pg_|information)'`,
      )
      expect(failures(assertions)).toEqual([])
      return rows[0]?.['names']
    }
    expect(await names({ schemas: ['"Odd Name"'] })).toBe('"T.x" "count down"')
    expect(await names({ tables: ['"Odd Name"."T.x"', 'empty'] })).toBe('"T.x" empty')
    expect(await names({ excludeTables: ['sales.events*', 'sales.lines'] })).toBe('"T.x" "count down" empty orders orders_id_seq')
  })

  it('in another encoding, of the database postgres too', async () => {
    await cluster.query(`create database latin template template0 encoding 'LATIN1' lc_collate 'C' lc_ctype 'C'`)
    await cluster.query(`create table t as select 'gr\u00fcn' as w`, 'latin')
    const latin = await roundTrip(
      driverOf({}, cluster.connection('latin')),
      `select w, octet_length(w) as bytes, getdatabaseencoding() as encoding from t`,
    )
    expect([failures(latin.assertions), latin.rows]).toEqual([[], [{ w: 'gr\u00fcn', bytes: 4, encoding: 'LATIN1' }]])
    await cluster.query('create table here as select 1 as x')
    const main = await roundTrip(driverOf({}, cluster.connection('postgres')), 'select x from here')
    expect([failures(main.assertions), main.rows]).toEqual([[], [{ x: 1 }]])
  })

  it('under the load of writers, all parts in one snapshot', async () => {
    await cluster.query('create table moved (side text, n int); insert into moved values (1, 1000), (2, 0); create sequence busy', 'shop')
    let stop = false
    const writers = Array.from({ length: 3 }, async () => {
      const client = await connect(cluster.connection('shop'))
      while (!stop)
        await client.query(
          `begin; update moved set n = n - 1 where side = '1'; update moved set n = n + 1 where side = '2'; insert into sales.orders (note) values (nextval('busy')); commit`,
        )
      await client.end()
    })
    const { assertions, rows } = await roundTrip(
      driverOf(),
      'select sum(n)::int as whole, max(n) filter (where side = $$2$$) > 0 as moved from moved',
    ).finally(() => {
      stop = true
    })
    await Promise.all(writers)
    expect([failures(assertions), rows]).toEqual([[], [{ whole: 1000, moved: true }]])
    await cluster.query('drop table moved; drop sequence busy', 'shop')
  })

  it('with a stale materialized view, which is named and not compared', async () => {
    await cluster.query(
      'refresh materialized view sales.totals; create materialized view public.stale as select count(*) as n from empty; insert into empty default values',
      'shop',
    )
    const { assertions, manifest } = await roundTrip(driverOf())
    expect(failures(assertions)).toEqual([])
    expect(manifest.warnings).toEqual([expect.stringContaining('public.stale is not compared')])
    await cluster.query('drop materialized view public.stale', 'shop')
  })

  it('of a replica, with its unlogged tables left empty', async () => {
    await cluster.query('create unlogged table fast as select 1 as x', 'shop')
    const dir = await mkdtemp(join(tmpdir(), 'holdfast-replica-'))
    await chmod(dir, 0o755)
    const port = await freePort()
    await cluster.basebackupTo(join(dir, 'data'), ['-R'])
    const replica = openCluster({ dir, address: '127.0.0.1', port })
    await run({ program: 'cp', args: ['-a', join(dir, 'data'), join(dir, 'socket')] })
    await writeFile(
      join(dir, 'data/postgresql.conf'),
      `${await readFile(join(dir, 'data/postgresql.conf'), 'utf8')}\n${settingsLines({ port: String(port), unix_socket_directories: join(dir, 'socket'), max_standby_streaming_delay: '-1' })}`,
    )
    try {
      await replica.start()
      const driver = driverOf({}, replica.connection('shop'))
      expect((await driver.preflight(contextFor())).findings.find(({ name }) => name === 'replica')).toMatchObject({
        ok: false,
        required: false,
        detail: expect.stringContaining('public.fast'),
      })
      const { assertions, rows } = await roundTrip(driver, 'select count(*)::int as n from fast')
      expect([failures(assertions), rows]).toEqual([[], [{ n: 0 }]])
    } finally {
      await replica.destroy()
      await cluster.query('drop table fast', 'shop')
    }
  })
})

describe('a dump that fails', () => {
  it('because a table is locked ends after its wait, without artifact and session', async () => {
    const locker = await connect(cluster.connection('shop'))
    const request = nextRequest()
    try {
      await locker.query('begin; lock table sales.lines in access exclusive mode')
      // Whoever gives up first, pg_dump or the session that counts: the same is said of it.
      await expect(takePoint(driverOf({ parts: ['database'] }), repository, request)).rejects.toMatchObject({
        code: 'SOURCE_LOCKED',
        retryable: true,
        message: expect.stringContaining('stays locked'),
      })
    } finally {
      await locker.end()
    }
    await until(async () => (await sessions()).length === 0, { timeoutMs: 20_000, what: 'the sessions to end' })
    expect(await stored(request.id)).toEqual([])
  })

  it('because pg_dump was killed in the middle leaves no artifact and no session', async () => {
    // More parts than may be in flight: when the first is stored, pg_dump still writes.
    await cluster.query('create table bulk as select md5(i::text) as a, md5((-i)::text) as b from generate_series(1, 2000000) i', 'shop')
    const request = nextRequest()
    let killed = 0
    const context = contextFor(({ bytes }) => {
      if (bytes && killed === 0) void killDump().then((pid) => (killed ||= pid))
      return false
    })
    await expect(takePoint(driverOf({ parts: ['database'] }), repository, request, context)).rejects.toMatchObject({
      code: 'PROCESS_FAILED',
      message: expect.stringContaining('SIGKILL'),
    })
    expect(killed).toBeGreaterThan(0)
    await until(async () => (await sessions()).length === 0, { timeoutMs: 20_000, what: 'the sessions to end' })
    expect(await stored(request.id)).toEqual([])
    await cluster.query('drop table bulk', 'shop')
  })

  it('and is tried again ends what the first try left and writes to other keys', async () => {
    const request = nextRequest()
    const left = await connect(cluster.connection('shop'), { applicationName: `holdfast ${request.id} 1` })
    const manifest = await takePoint(driverOf({ parts: ['database'] }), repository, { ...request, attempt: 2 })
    await expect(left.query('select 1')).rejects.toThrow()
    await left.end().catch(() => {})
    expect(manifest.artifacts.map(({ key }) => key)).toEqual([`holdfast/v1/orders/${request.id}/data/database.2.zst.age`])
  })
})

describe('preflight', () => {
  it('refuses programs that are older than the server', async () => {
    const binDir = join(root, 'old')
    await run({ program: 'mkdir', args: ['-p', binDir] })
    await writeFile(join(binDir, 'pg_dump'), '#!/bin/sh\necho "pg_dump (PostgreSQL) 14.9"\n', { mode: 0o755 })
    await expect(driverOf({ binDir }).preflight(contextFor())).rejects.toMatchObject({
      code: 'VERSION_UNFIT',
      object: binDir,
      next: expect.stringContaining('PostgreSQL 15'),
    })
    await rm(binDir, { recursive: true })
  })

  it('names the grants that are missing, and with them a role that is no superuser can be backed up and proved', async () => {
    await cluster.query(
      `refresh materialized view sales.totals; create role reader login password 'p-e-e-k'; grant usage on schema sales to reader`,
      'shop',
    )
    const connection = `${cluster.connection('shop').replace('user=postgres', 'user=reader')} password=p-e-e-k`
    const driver = driverOf({}, connection)
    const finding = (await driver.preflight(contextFor())).findings.find(({ name }) => name === 'grants')
    expect(finding).toMatchObject({ ok: false, required: true, next: expect.stringContaining('grant select on sales.orders to "reader"') })
    await cluster.query(
      'grant pg_read_all_data to reader; grant select on large object 4711, 4712 to reader; alter role reader bypassrls',
      'shop',
    )
    expect((await driver.preflight(contextFor())).findings.filter(({ ok, required }) => required && !ok)).toEqual([])

    const seen: string[] = []
    let stop = false
    const looking = (async () => {
      while (!stop) {
        seen.push(...(await commandLines()).filter((line) => /pg_dump|psql|pg_restore/.test(line)))
        await delay(20)
      }
    })()
    const { assertions, manifest } = await roundTrip(driver).finally(() => {
      stop = true
    })
    await looking
    expect(failures(assertions)).toEqual([])
    expect(manifest.warnings).toEqual([expect.stringContaining('passwords of roles are left out')])
    expect(seen.length).toBeGreaterThan(0)
    expect(seen.filter((line) => line.includes('p-e-e-k'))).toEqual([])
    expect(JSON.stringify(manifest)).not.toContain('p-e-e-k')
  })

  it('finds a selection that matches nothing', async () => {
    const { findings } = await driverOf({ tables: ['sales.orders', 'sales.ordrs'] }).preflight(contextFor())
    expect(findings.find(({ name }) => name === 'selection')).toMatchObject({
      ok: false,
      required: true,
      detail: 'nothing matches sales.ordrs',
    })
  })

  it('of a server that is not there is SOURCE_UNREACHABLE, a wrong password is final', async () => {
    await expect(driverOf({}, `host=127.0.0.1 port=${await freePort()} user=x dbname=x`).preflight(contextFor())).rejects.toMatchObject({
      code: 'SOURCE_UNREACHABLE',
      retryable: true,
    })
    await expect(driverOf({}, cluster.connection('nowhere')).preflight(contextFor())).rejects.toMatchObject({
      code: 'SOURCE_UNREACHABLE',
      retryable: false,
    })
  })
})

describe('a restored instance', () => {
  it('whose server was killed is started again by the next proof, and damage to its files is seen', async () => {
    const driver = driverOf()
    const request = nextRequest()
    const manifest = await takePoint(driver, repository, request)
    const dir = join(root, request.id)
    const { target } = await driver.restore(contextFor(), manifest, source(), { dir })
    const prove = () => driver.verify(contextFor(), manifest, target, { depth: 'full', assertions: [] })
    const client = await connect(target.connection)
    const {
      rows: [index],
    } = await client.query(`select pg_relation_filepath('sales.orders_note') as file`)
    await client.query('checkpoint')
    await client.end()
    process.kill((await runningInstance(join(dir, 'data')))?.pid ?? 0, 'SIGKILL')
    await until(async () => !(await runningInstance(join(dir, 'data'))), { timeoutMs: 20_000, what: 'the server to be gone' })
    expect(failures(await prove())).toEqual([])

    const running = await runningInstance(join(dir, 'data'))
    process.kill(running?.pid ?? 0, 'SIGINT')
    await until(async () => !(await runningInstance(join(dir, 'data'))), { timeoutMs: 20_000, what: 'the server to stop' })
    const file = join(dir, 'data', String(index.file))
    const bytes = await readFile(file)
    bytes.copy(bytes, 8192 + 4000, 8192 + 6000, 8192 + 7000)
    await writeFile(file, bytes)
    expect(failures(await prove()).map(({ name }) => name)).toEqual(['amcheck'])
    await driver.destroy({ dir })
    expect(await readdir(root)).toEqual([])
  })

  it('whose server was killed is destroyed with its shared memory', async () => {
    const driver = driverOf({ parts: ['schema'] })
    const request = nextRequest()
    const dir = join(root, request.id)
    await driver.restore(contextFor(), await takePoint(driver, repository, request), source(), { dir })
    const [pid, , , , , , memory] = (await readFile(join(dir, 'data', 'postmaster.pid'), 'utf8')).split('\n')
    const segment = memory?.trim().split(/\s+/)[1]
    const segments = async () => (await readFile('/proc/sysvipc/shm', 'utf8')).split('\n').map((line) => line.trim().split(/\s+/)[1])
    expect(await segments()).toContain(segment)
    process.kill(Number(pid), 'SIGKILL')
    await driver.destroy({ dir })
    expect(await segments()).not.toContain(segment)
  })

  it('is refused a point in time and a folder of somebody else', async () => {
    const driver = driverOf({ parts: ['database'] })
    const manifest = await takePoint(driver, repository, nextRequest())
    await expect(
      driver.restore(contextFor(), manifest, source(), { dir: join(root, 'x'), to: { time: '2024-01-01T00:00:00Z' } }),
    ).rejects.toMatchObject({ code: 'TARGET_OUT_OF_RANGE' })
    const theirs = join(root, 'theirs')
    await run({ program: 'mkdir', args: [theirs] })
    await writeFile(join(theirs, 'thesis.tex'), 'years of work')
    await expect(driver.restore(contextFor(), manifest, source(), { dir: theirs })).rejects.toMatchObject({
      code: 'SOURCE_UNFIT',
      object: theirs,
    })
    await expect(driver.destroy({ dir: theirs })).rejects.toMatchObject({ code: 'SOURCE_UNFIT' })
    expect(await readdir(theirs)).toEqual(['thesis.tex'])
    await rm(theirs, { recursive: true })
  })

  it('is not begun where the disk has no room', async () => {
    const driver = driverOf({ parts: ['database'] })
    const manifest = await takePoint(driver, repository, nextRequest())
    Object.assign(manifest.consistency['database'] as object, { bytes: 1e17 })
    await expect(driver.restore(contextFor(), manifest, source(), { dir: join(root, 'x') })).rejects.toMatchObject({ code: 'SPACE_SHORT' })
    expect(await readdir(root)).toEqual([])
  })
})

it('stock tools alone restore a dump', async () => {
  const manifest = await takePoint(driverOf(), repository, nextRequest())
  const object = join(root, 'object')
  await writeFile(object, await readAll(repository.store, manifest.artifacts.find(({ part }) => part === 'database')?.key ?? ''))
  await cluster.query('create database by_hand')
  const place = `-h ${cluster.address} -p ${cluster.port} -U postgres`
  await run({
    program: 'sh',
    args: ['-c', `age -d -i ${repository.identity.file} ${object} | zstd -d | ${POSTGRES_BIN}/pg_restore ${place} -d by_hand`],
  })
  expect(await cluster.query('select count(*)::int as n from sales.orders', 'by_hand')).toEqual(
    await cluster.query('select count(*)::int as n from sales.orders', 'shop'),
  )
  await rm(object)
})
