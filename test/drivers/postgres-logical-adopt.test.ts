import { chmod, mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Cluster, createCluster, POSTGRES_BIN } from '../../scripts/toolbox/postgres.ts'
import { logicalSource } from '../../src/config/schema.ts'
import type { Assertion, Manifest } from '../../src/core/records.ts'
import { connect, pgEnvironment } from '../../src/drivers/postgres-common/connect.ts'
import { createPostgresLogical } from '../../src/drivers/postgres-logical/index.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { run } from '../../src/process/run.ts'
import { contextFor, failures, openRepository, type Repository } from '../conformance/driver.ts'
import { adoptFrom, findIn } from '../support/adopt.ts'
import { fillShop } from '../support/shop.ts'

let cluster: Cluster
let repository: Repository
let root: string
let folder: string
beforeAll(async () => {
  cluster = await createCluster({ dbname: 'shop' })
  await fillShop(cluster, 'shop')
  await cluster.query('create database users')
  repository = await openRepository()
  root = await mkdtemp(join(tmpdir(), 'holdfast-adopt-'))
  await chmod(root, 0o755)
})
afterAll(async () => {
  await cluster?.destroy()
  for (const dir of [repository?.dir, root]) if (dir) await rm(dir, { recursive: true, force: true })
})
let folders = 0
beforeEach(async () => {
  folder = join(root, `old-${++folders}`)
  await mkdir(folder)
})

const config = logicalSource.parse({ driver: 'postgres-logical', connection: '${env:UNUSED}', repository: 'hot', binDir: POSTGRES_BIN })
const driver = () => createPostgresLogical(config, cluster.connection('shop'))
const source = () => createSource({ store: repository.store, identityFile: repository.identity.file })

/** As by a script of somebody's own, with nothing of Holdfast. */
async function dump(name: string, ...args: string[]): Promise<string> {
  const file = join(folder, name)
  const env = pgEnvironment(cluster.connection('shop'))
  await run({ program: join(POSTGRES_BIN, 'pg_dump'), args: [`--file=${file}`, ...args], env })
  return file
}
const gzip = (file: string) => run({ program: 'gzip', args: [file] })

async function restored<T>(
  manifest: Manifest,
  look: (ask: (sql: string) => Promise<unknown[]>, red: Assertion[], names: string[]) => Promise<T>,
): Promise<T> {
  const dir = join(root, `copy-${manifest.id}`)
  const on = driver()
  try {
    const { target } = await on.restore(contextFor(), manifest, source(), { dir })
    const assertions = await on.verify(contextFor(), manifest, target, { depth: 'full', assertions: [] })
    const client = await connect(target.connection)
    const ask = async (sql: string) => (await client.query(sql)).rows
    return await look(
      ask,
      failures(assertions),
      assertions.map(({ name }) => name),
    ).finally(() => client.end())
  } finally {
    await on.destroy({ dir })
  }
}

const WHAT_IS_IN_IT = `select (select count(*)::int from sales.orders) as orders, (select count(*)::int from sales.lines) as lines,
  (select count(*)::int from pg_largeobject_metadata) as objects, pg_get_userbyid(relowner) as owner from pg_class where relname = 'orders'`
const ALL = [{ orders: 5000, lines: 8000, objects: 2, owner: 'clerk' }]

describe('a dump from before Holdfast', () => {
  it('of pg_dump -Fc becomes a point of the time in its name, restores, and its proof says that contents were not compared', async () => {
    const file = await dump('backup_20250118_214530.dump', '-Fc')
    const [manifest, ...others] = await adoptFrom(driver(), repository, [folder])
    expect(others).toEqual([])
    expect(manifest).toMatchObject({ kind: 'adopted', createdAt: '2025-01-18T21:45:30.000Z', adopted: { from: file } })
    expect(manifest?.artifacts.map(({ part }) => part)).toEqual(['database'])
    expect(manifest?.versions).toMatchObject({ encoding: 'UTF8', pg_dump: expect.stringMatching(/^\d+/) })
    expect(manifest?.warnings.join('\n')).toMatch(/contents were not recorded.*\n.*no globals.*\n.*names no zone/)
    await restored(manifest as Manifest, async (ask, red, names) => {
      expect(red).toEqual([])
      expect(names).toEqual(['engine', 'content (not compared: not recorded when it was taken)', 'amcheck'])
      expect(await ask(WHAT_IS_IN_IT)).toEqual(ALL)
      expect(await ask(`select current_setting('work_mem') as memory`)).toEqual([{ memory: '5MB' }])
    })
  })

  it('of pg_dump as a script, with gzip or without, becomes the same point once', async () => {
    await dump('2025-01-19T020000Z.sql')
    await run({ program: 'cp', args: [join(folder, '2025-01-19T020000Z.sql'), join(folder, 'copy_20250119_020000.sql')] })
    await gzip(join(folder, 'copy_20250119_020000.sql'))
    const found = await findIn(driver(), [folder])
    expect(found).toMatchObject({ already: 1, left: [], backups: [{ createdAt: '2025-01-19T02:00:00.000Z' }] })
    expect(await findIn(driver(), [folder], new Set(found.backups.map(({ origin }) => origin)))).toMatchObject({ already: 2, backups: [] })
    const [manifest] = await adoptFrom(driver(), repository, [join(folder, 'copy_20250119_020000.sql.gz')])
    expect(manifest?.artifacts.map(({ part }) => part)).toEqual(['plain'])
    await restored(manifest as Manifest, async (ask, red) => {
      expect(red).toEqual([])
      expect(await ask(WHAT_IS_IN_IT)).toEqual(ALL)
    })
  })

  it('takes the place of the live database like any other point', async () => {
    await dump('backup_20250120_000000.dump', '-Fc')
    const [manifest] = (await adoptFrom(driver(), repository, [folder])) as [Manifest]
    await cluster.query('delete from sales.lines', 'shop')
    const live = driver().live
    const confirm = (await live?.fingerprint()) ?? ''
    await live?.check(manifest, confirm)
    const made = await live?.restoreAside(contextFor(), manifest, source())
    await live?.swap(manifest, confirm, made?.oid)
    expect(await cluster.query('select count(*)::int as lines from sales.lines', 'shop')).toEqual([{ lines: 8000 }])
  })

  it('that is damaged is called broken, and becomes no point', async () => {
    const archive = await dump('cut.dump', '-Fc')
    const bytes = await readFile(archive)
    await writeFile(archive, bytes.subarray(0, bytes.length - 20_000))
    const flipped = Buffer.from(bytes)
    flipped.fill(0xff, bytes.length - 30_000, bytes.length - 29_000)
    await writeFile(join(folder, 'flipped.dump'), flipped)
    const script = await readFile(await dump('cut.sql'))
    await writeFile(join(folder, 'cut.sql'), script.subarray(0, script.length - 100))
    const packed = await dump('cut-packed.sql')
    await gzip(packed)
    const whole = await readFile(`${packed}.gz`)
    await writeFile(`${packed}.gz`, whole.subarray(0, whole.length - 1000))
    const { backups, left } = await findIn(driver(), [folder])
    expect(backups).toEqual([])
    expect(left.map(({ from, broken }) => [from.slice(folder.length + 1), broken])).toEqual([
      ['cut-packed.sql.gz', true],
      ['cut.dump', true],
      ['cut.sql', true],
      ['flipped.dump', true],
    ])
    expect(left.find(({ from }) => from.endsWith('cut.sql'))?.why).toMatch(/cut off/)
  })

  it('is left alone with the reason where it would not bring this database back', async () => {
    await dump('other.dump', '-Fc', '--dbname=users')
    await dump('definitions.dump', '-Fc', '--schema-only')
    await dump('rows.dump', '-Fc', '--data-only')
    await dump('one-table.dump', '-Fc', '--table=sales.lines')
    await dump('connects.sql', '--create')
    await dump('drops.sql', '--clean')
    await writeFile(join(folder, 'README'), 'what is here\n')
    await run({
      program: join(POSTGRES_BIN, 'pg_dumpall'),
      args: [`--file=${join(folder, 'server.sql')}`],
      env: pgEnvironment(cluster.connection('shop')),
    })
    const { backups, left } = await findIn(driver(), [folder])
    expect(backups).toEqual([])
    const reasons = Object.fromEntries(left.map(({ from, why, broken }) => [from.slice(folder.length + 1), broken || why]))
    expect(reasons).toEqual({
      README: expect.stringMatching(/no dump/),
      'connects.sql': expect.stringMatching(/more than fill a database: CREATE DATABASE shop/),
      'definitions.dump': expect.stringMatching(/no rows/),
      'drops.sql': expect.stringMatching(/begins by dropping/),
      'one-table.dump': expect.stringMatching(/chosen tables, without their schemas: sales/),
      'other.dump': expect.stringMatching(/of the database users; this source is shop/),
      'rows.dump': expect.stringMatching(/no definitions/),
      'server.sql': expect.stringMatching(/whole server/),
    })
  })

  it('that was changed since it was looked at is not stored as what it was', async () => {
    const file = await dump('backup.dump', '-Fc')
    await utimes(file, new Date('2025-02-01T10:00:00Z'), new Date('2025-02-01T10:00:00Z'))
    const [backup] = (await findIn(driver(), [file])).backups
    if (!backup) throw new Error('nothing was found')
    await dump('backup.dump', '-Fc', '--exclude-table=sales.lines')
    const sink = { store: undefined, storeStream: undefined, storeBytes: undefined } as never
    await expect(driver().adoption?.take(contextFor(), backup, 'x', sink)).rejects.toMatchObject({ code: 'INTEGRITY' })
  })

  it('that cannot be read is told of, and ends no search', async () => {
    await dump('backup.dump', '-Fc')
    // Root may read everything but this.
    const { backups, left } = await findIn(driver(), ['/proc/self/mem', folder])
    expect(backups).toHaveLength(1)
    expect(left).toEqual([{ from: '/proc/self/mem', why: expect.stringMatching(/EIO/), broken: true }])
  })

  it('is looked for where the operator said, and nowhere else', async () => {
    await expect(findIn(driver(), [])).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await expect(findIn(driver(), ['relative.dump'])).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await expect(findIn(driver(), [join(folder, 'absent')])).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})
