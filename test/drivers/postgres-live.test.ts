import { readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Cluster, createCluster, POSTGRES_BIN } from '../../scripts/toolbox/postgres.ts'
import { logicalSource } from '../../src/config/schema.ts'
import type { Manifest } from '../../src/core/records.ts'
import type { LiveRestore } from '../../src/drivers/driver.ts'
import { connect } from '../../src/drivers/postgres-common/connect.ts'
import { createPostgresLogical } from '../../src/drivers/postgres-logical/index.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { contextFor, nextRequest, openRepository, type Repository, takePoint } from '../conformance/driver.ts'
import { fillShop } from '../support/shop.ts'

let cluster: Cluster
let repository: Repository
let manifest: Manifest
let live: LiveRestore
const config = logicalSource.parse({ driver: 'postgres-logical', connection: '${env:UNUSED}', repository: 'hot', binDir: POSTGRES_BIN })
const source = (signal?: AbortSignal) =>
  createSource({ store: repository.store, identityFile: repository.identity.file, ...(signal ? { signal } : {}) })
const databases = async () => (await cluster.query('select datname from pg_database order by 1')).map(({ datname }) => String(datname))
const count = async (database = 'shop') => Number((await cluster.query('select count(*)::int as n from sales.orders', database))[0]?.['n'])

beforeAll(async () => {
  cluster = await createCluster()
  repository = await openRepository()
})
beforeEach(async () => {
  for (const name of await databases()) if (/shop/.test(name)) await cluster.query(`drop database "${name}" with (force)`)
  await cluster.query('create database shop')
  await fillShop(cluster, 'shop')
  const driver = createPostgresLogical(config, cluster.connection('shop'))
  live = driver.live as LiveRestore
  manifest = await takePoint(driver, repository, nextRequest())
  await cluster.query('delete from sales.lines; delete from sales.orders where id > 100; drop table empty', 'shop')
})
afterAll(async () => {
  await cluster?.destroy()
  if (repository) await rm(repository.dir, { recursive: true, force: true })
})

describe('a restore over a live database', () => {
  it('is refused without its fingerprint, and the answer shows the command that is right', async () => {
    const fingerprint = await live.fingerprint()
    expect(fingerprint).toMatch(/^\d+\/shop\/\d+$/)
    const refused = {
      code: 'CONFIRM_MISMATCH',
      object: fingerprint,
      next: expect.stringContaining(`holdfast restore orders ${manifest.id} --live --confirm ${fingerprint}`),
    }
    await expect(live.check(manifest, '')).rejects.toMatchObject(refused)
    await expect(live.check(manifest, fingerprint.replace('shop', 'shoq'))).rejects.toMatchObject(refused)
    await expect(live.swap(manifest, 'other')).rejects.toMatchObject(refused)
    await live.check(manifest, fingerprint)
  })

  it('is refused where a second copy has no room', async () => {
    const huge = structuredClone(manifest)
    Object.assign(huge.consistency['database'] as object, { bytes: 1e17 })
    await expect(live.check(huge, await live.fingerprint())).rejects.toMatchObject({ code: 'SPACE_SHORT', object: cluster.dataDir })
  })

  it('is refused for a selection, whose swap would lose the rest', async () => {
    const some = structuredClone(manifest)
    Object.assign(some.consistency, { selection: { tables: ['sales.orders'] } })
    await expect(live.check(some, await live.fingerprint())).rejects.toMatchObject({ code: 'SOURCE_UNFIT' })
  })

  it('is made aside while the live one goes on, then takes its place with its rights and settings', async () => {
    const confirm = await live.fingerprint()
    const before =
      await cluster.query(`select datacl::text, pg_get_userbyid(datdba) as owner, shobj_description(oid, 'pg_database') as about,
      (select string_agg(setrole::regrole::text || setconfig::text, ',' order by 1) from pg_db_role_setting s where setdatabase = d.oid) as settings from pg_database d where datname = 'shop'`)
    await cluster.query(`alter role clerk password 'of today' createdb`)
    const role = await cluster.query(`select rolpassword, rolcreatedb from pg_authid where rolname = 'clerk'`)
    const { database, bytes } = await live.restoreAside(contextFor(), manifest, source())
    expect(bytes).toBeGreaterThan(0)
    expect([await count(), await count(database)]).toEqual([100, 5000])

    const { keptAs } = await live.swap(manifest, confirm)
    expect(keptAs).toMatch(/^shop_pre_restore_\d{8}_\d{6}$/)
    expect(await count()).toBe(5000)
    expect(await databases()).toEqual(['postgres', 'shop', keptAs, 'template0', 'template1'])
    expect(
      await cluster.query(`select datacl::text, pg_get_userbyid(datdba) as owner, shobj_description(oid, 'pg_database') as about,
      (select string_agg(setrole::regrole::text || setconfig::text, ',' order by 1) from pg_db_role_setting s where setdatabase = d.oid) as settings from pg_database d where datname = 'shop'`),
    ).toEqual(before)
    expect(await cluster.query(`select rolpassword, rolcreatedb from pg_authid where rolname = 'clerk'`)).toEqual(role)
    await expect(count(keptAs)).rejects.toThrow('not currently accepting connections')
    await cluster.query(`alter database "${keptAs}" allow_connections true`)
    expect(await count(keptAs)).toBe(100)

    expect(await live.swap(manifest, confirm)).toEqual({ database: 'shop', keptAs })
    await live.removeAside(manifest)
    expect(await count()).toBe(5000)
  })

  it('swaps under clients that come back at once, each time they are ended', async () => {
    const confirm = await live.fingerprint()
    await live.restoreAside(contextFor(), manifest, source())
    let stop = false
    const clients = Array.from({ length: 8 }, async () => {
      while (!stop) {
        const client = await connect(cluster.connection('shop')).catch(() => undefined)
        await client?.query('select count(*) from sales.orders, pg_sleep(0.02)').catch(() => {})
        await client?.end().catch(() => {})
      }
    })
    const idle = await connect(cluster.connection('shop'))
    await idle.query('begin; update sales.orders set note = 1')
    await live.swap(manifest, confirm)
    stop = true
    await Promise.all(clients)
    await expect(idle.query('commit')).rejects.toThrow()
    expect(await count()).toBe(5000)
  })

  it('a database that another try made again under the same name is not swapped in', async () => {
    const confirm = await live.fingerprint()
    const { database, oid } = await live.restoreAside(contextFor(), manifest, source())
    const before = await count()
    await cluster.query(`drop database "${database}"`)
    await cluster.query(`create database "${database}"`)
    await expect(live.swap(manifest, confirm, oid)).rejects.toMatchObject({ code: 'STORE_CONFLICT', object: database })
    expect(await count()).toBe(before)
    await live.removeAside(manifest)
    const again = await live.restoreAside(contextFor(), manifest, source())
    await live.swap(manifest, confirm, again.oid)
    expect(await count()).toBe(5000)
  })

  it('with a prepared transaction in the way is refused before anything changes', async () => {
    await cluster.query(`begin; update sales.orders set note = 1; prepare transaction 'pending'`, 'shop')
    await live.restoreAside(contextFor(), manifest, source())
    await expect(live.swap(manifest, await live.fingerprint())).rejects.toMatchObject({
      code: 'SOURCE_UNFIT',
      message: expect.stringContaining('pending'),
    })
    expect(await count()).toBe(100)
    await cluster.query(`rollback prepared 'pending'`, 'shop')
    await live.removeAside(manifest)
    await live.removeAside(manifest)
    expect(await databases()).toEqual(['postgres', 'shop', 'template0', 'template1'])
  })

  it('that is stopped halfway leaves nothing beside the live one; a second try begins anew', async () => {
    const context = contextFor(({ phase }) => phase === 'restore')
    await expect(live.restoreAside(context, manifest, source(context.signal))).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(await databases()).toEqual(['postgres', 'shop', 'template0', 'template1'])
    expect((await readdir(tmpdir())).filter((name) => name.includes(manifest.id))).toEqual([])
    await live.restoreAside(contextFor(), manifest, source())
    await live.restoreAside(contextFor(), manifest, source())
    expect(await count((await databases()).find((name) => name.includes('_restore_')))).toBe(5000)
  })

  it('of what is not equal to its manifest never takes the place', async () => {
    const altered = structuredClone(manifest)
    Object.assign(altered.content?.tables['sales.orders'] ?? {}, { digest: '1' })
    await expect(live.restoreAside(contextFor(), altered, source())).rejects.toMatchObject({
      code: 'VERIFY_FAILED',
      message: expect.stringContaining('sales.orders'),
    })
    expect(await databases()).toEqual(['postgres', 'shop', 'template0', 'template1'])
    await expect(live.swap(manifest, await live.fingerprint())).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await count()).toBe(100)
  })
})
