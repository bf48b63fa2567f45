import { chown, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Manifest } from '../../src/core/records.ts'
import type { LiveRestore } from '../../src/drivers/driver.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { contextFor, nextRequest, openRepository, type Repository, takePoint } from '../conformance/driver.ts'
import { holdOpen, ldb, makeStore, type Store } from '../support/rocksdb.ts'

let repository: Repository
let store: Store
let manifest: Manifest
let live: LiveRestore
let before: string
const source = (signal?: AbortSignal) =>
  createSource({ store: repository.store, identityFile: repository.identity.file, ...(signal ? { signal } : {}) })
const liveOf = async (more: object = {}) => store.driver(more).live as LiveRestore
const beside = async () => (await readdir(store.dir)).filter((name) => name !== 'store').sort()

beforeAll(async () => {
  repository = await openRepository()
})
afterAll(() => rm(repository.dir, { recursive: true, force: true }))
beforeEach(async () => {
  store = await makeStore()
  live = await liveOf()
  before = await store.contents()
  manifest = await takePoint(store.driver(), repository, nextRequest())
  await store.put('k1', 'changed', 'new', 'key')
})
afterEach(() => store.remove())

describe('a restore over a live store', () => {
  it('is refused without its fingerprint, and the answer shows the command that is right', async () => {
    const fingerprint = await live.fingerprint()
    const refused = {
      code: 'CONFIRM_MISMATCH',
      object: fingerprint,
      next: expect.stringContaining(`holdfast restore orders ${manifest.id} --live --confirm ${fingerprint}`),
    }
    await expect(live.check(manifest, '')).rejects.toMatchObject(refused)
    await expect(live.swap(manifest, `${store.path}:1`, 'x/1')).rejects.toMatchObject(refused)
    await live.check(manifest, fingerprint)
  })

  it('is refused where it has no room, and for another path, which replaces nothing', async () => {
    const fingerprint = await live.fingerprint()
    await expect(live.check({ ...manifest, sizeBytes: 1e17 }, fingerprint)).rejects.toMatchObject({ code: 'SPACE_SHORT' })
    await expect(live.check(manifest, fingerprint, { into: '/elsewhere' })).rejects.toMatchObject({ code: 'INPUT_INVALID', object: 'into' })
  })

  it('is refused while somebody has it open, who is named; read-only looks at it count for nothing', async () => {
    const close = await holdOpen(store.path)
    const fingerprint = await live.fingerprint()
    await expect(live.check(manifest, fingerprint)).rejects.toMatchObject({
      code: 'SOURCE_LOCKED',
      message: expect.stringMatching(/is open in ldb \(pid \d+\)$/),
    })
    const { oid } = await live.restoreAside(contextFor(), manifest, source())
    const opened = await store.contents()
    await close()
    const again = await holdOpen(store.path)
    await expect(live.swap(manifest, fingerprint, oid)).rejects.toMatchObject({ code: 'SOURCE_LOCKED' })
    await again()
    expect(await store.contents()).toBe(opened)
  }, 60_000)

  it('is not refused for being open where applications are stopped before the swap', async () => {
    const close = await holdOpen(store.path)
    const own = await liveOf({ applications: ['api'] })
    await own.check(manifest, await own.fingerprint())
    await close()
  })

  it('is made aside and compared, then takes the place; what was there is kept beside it, the folder is closed to others', async () => {
    const confirm = await live.fingerprint()
    const changed = await store.contents()
    const { oid, bytes } = await live.restoreAside(contextFor(), manifest, source())
    expect(bytes).toBe(manifest.sizeBytes)
    expect(await store.contents()).toBe(changed)
    const { keptAs = '', notes } = await live.swap(manifest, confirm, oid)
    expect(keptAs).toMatch(/store_pre_restore_\d{8}_\d{6}$/)
    expect(notes?.join()).toContain(`rm -r ${keptAs}`)
    expect(await store.contents()).toBe(before)
    expect(await store.contents(keptAs)).toBe(changed)
    expect((await stat(store.path)).mode & 0o777).toBe(0o700)
    await store.put('after', 'the restore')

    expect(await live.swap(manifest, confirm, oid)).toMatchObject({ keptAs })
    await live.removeAside(manifest)
    expect(await ldb(store.path, 'get', 'after')).toContain('the restore')
    expect(await beside()).toEqual([basename(keptAs)])
  })

  it.runIf(process.getuid?.() === 0)('belongs to whom the old store belonged', async () => {
    for (const name of ['.', ...(await readdir(store.path))]) await chown(join(store.path, name), 65534, 65534)
    const confirm = await live.fingerprint()
    const { oid } = await live.restoreAside(contextFor(), manifest, source())
    await live.swap(manifest, confirm, oid)
    for (const name of ['.', 'CURRENT']) expect(await stat(join(store.path, name))).toMatchObject({ uid: 65534, gid: 65534 })
  })

  it('of a store that is gone puts it there again', async () => {
    await rm(store.path, { recursive: true })
    const confirm = await live.fingerprint()
    expect(confirm).toBe(`${store.path}:absent`)
    await live.check(manifest, confirm)
    const { oid } = await live.restoreAside(contextFor(), manifest, source())
    expect(await live.swap(manifest, confirm, oid)).not.toHaveProperty('keptAs')
    expect(await store.contents()).toBe(before)
    expect(await beside()).toEqual([])
  })

  it('of what is not equal to its manifest never takes the place, and says so in the words that people search for', async () => {
    const altered = structuredClone(manifest)
    Object.assign(altered.inventory?.['folder'] ?? {}, { checksum: '0'.repeat(64) })
    await expect(live.restoreAside(contextFor(), altered, source())).rejects.toMatchObject({
      code: 'VERIFY_FAILED',
      message: expect.stringMatching(new RegExp(`Checksum mismatch for backup ${manifest.id}: expected 0{64}, got [0-9a-f]{64}`)),
    })
    expect(await beside()).toEqual([])
  })

  it('that is stopped halfway leaves nothing beside the live one', async () => {
    const context = contextFor((_, count) => count === 3)
    await expect(live.restoreAside(context, manifest, source(context.signal))).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(await beside()).toEqual([])
  })

  it('a folder that another try made is not swapped in', async () => {
    const confirm = await live.fingerprint()
    const first = await live.restoreAside(contextFor(), manifest, source())
    const second = await live.restoreAside(contextFor(), manifest, source())
    await expect(live.swap(manifest, confirm, first.oid)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await live.swap(manifest, confirm, second.oid)
    expect(await store.contents()).toBe(before)
  })
})

describe('a swap that was killed between its two renames', () => {
  let confirm: string
  let oid: string
  let kept: string
  beforeEach(async () => {
    confirm = await live.fingerprint()
    oid = (await live.restoreAside(contextFor(), manifest, source())).oid ?? ''
    kept = `${store.path}_pre_restore_20260101_000000`
    await writeFile(`${store.path}.restore-under-way`, JSON.stringify({ kept }))
    await rename(store.path, kept)
  })

  it('is ended by the next try', async () => {
    expect(await live.swap(manifest, confirm, oid)).toMatchObject({ keptAs: kept })
    expect(await store.contents()).toBe(before)
    expect(await beside()).toEqual([basename(kept)])
  })

  it('is undone: the old one is back in its place', async () => {
    await live.removeAside(manifest)
    expect(await live.fingerprint()).toBe(confirm)
    expect(await ldb(store.path, 'get', 'k1')).toContain('changed')
    expect(await beside()).toEqual([])
  })

  it('is refused where somebody made a new store meanwhile, and both are still there', async () => {
    await mkdir(store.path)
    await writeFile(join(store.path, 'CURRENT'), 'new')
    await expect(live.swap(manifest, confirm, oid)).rejects.toMatchObject({
      code: 'STORE_CONFLICT',
      message: expect.stringContaining(kept),
    })
    expect(await readFile(join(store.path, 'CURRENT'), 'utf8')).toBe('new')
    expect((await stat(kept)).isDirectory()).toBe(true)
  })
})

describe('with commands that stop and start its program', () => {
  const log = () => join(store.dir, 'log')
  const said = async () => (await readFile(log(), 'utf8').catch(() => '')).trim()
  const says = (word: string, end = 0) => ['sh', '-c', `echo ${word} >> "$0"; exit ${end}`, log()]
  const restore = async (service: object) => {
    const own = await liveOf({ service })
    const confirm = await own.fingerprint()
    await own.check(manifest, confirm)
    const { oid } = await own.restoreAside(contextFor(), manifest, source())
    return own.swap(manifest, confirm, oid)
  }

  it('a store that is open is stopped, replaced and started', async () => {
    const close = await holdOpen(store.path)
    const pid = /pid (\d+)/.exec(String(await live.check(manifest, await live.fingerprint()).catch((error) => error)))?.[1] ?? ''
    await restore({ stop: ['sh', '-c', `echo stop >> "$0"; kill -9 ${pid}`, log()], start: says('start') })
    await close()
    expect(await said()).toBe('stop\nstart')
    expect(await store.contents()).toBe(before)
  })

  it('it is started again where the swap fails, and the store is what it was', async () => {
    const changed = await store.contents()
    await expect(restore({ stop: says('stop', 1), start: says('start') })).rejects.toMatchObject({ code: 'PROCESS_FAILED' })
    expect(await said()).toBe('stop\nstart')
    expect(await store.contents()).toBe(changed)
    const own = await liveOf({ service: { stop: says('stop'), start: says('start') } })
    await own.removeAside(manifest)
    expect(await beside()).toEqual(['log'])
    expect(await said()).toBe('stop\nstart')
  })

  it('a start that fails after the swap is told, and undoes nothing', async () => {
    const { warnings } = await restore({ stop: says('stop'), start: says('start', 1) })
    expect(warnings?.join()).toContain('could not be started')
    expect(await store.contents()).toBe(before)
  })
})
