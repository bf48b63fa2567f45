import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createVerifier } from '../../src/catalog/signing.ts'
import type { Manifest } from '../../src/core/records.ts'
import type { LiveRestore, SourceDriver } from '../../src/drivers/driver.ts'
import { createDriver } from '../../src/drivers/raft-cluster/index.ts'
import { wayFrom } from '../../src/drivers/raft-cluster/wal.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { until } from '../../src/process/wait.ts'
import { createMemoryStore, type MemoryStore } from '../../src/storage/memory.ts'
import { readAll } from '../../src/storage/store.ts'
import { type Held, heldIn } from '../../src/wal/contents.ts'
import { copyWal } from '../../src/wal/copy.ts'
import { pushWal } from '../../src/wal/push.ts'
import { removeWal } from '../../src/wal/remove.ts'
import { contextFor, nextRequest, openRepository, type Repository, takePoint } from '../conformance/driver.ts'
import { SIGNING, signer } from '../support/catalog.ts'
import { type ClusterSource, fill, openClusterSource, put } from '../support/raft-cluster.ts'

let repository: Repository
let root: string
let archive: string
let source: ClusterSource
let driver: SourceDriver
let manifest: Manifest
/** Of the last entry that is wanted, and the index of the one after it. */
let wanted: { time: string; contents: string }
const artifacts = () => createSource({ store: repository.store, identityFile: repository.identity.file })
const scratch = () => join(root, 'scratch')
const archivedThrough = async (index: number) =>
  until(async () => (await source.cluster.metric('neumann_wal_archived_index', await source.leader())) >= index, {
    timeoutMs: 60_000,
    what: `entry ${index} to be archived`,
  })

beforeAll(async () => {
  repository = await openRepository()
})
afterAll(() => rm(repository.dir, { recursive: true, force: true }))
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'holdfast-wal-'))
  archive = join(root, 'archive')
  await mkdir(archive)
  source = await openClusterSource({ wal: { segment_bytes: 1000, archive_timeout: 1, archive_command: `cp %p ${archive}/%f` } })
  await fill(source.cluster)
  driver = await source.driver({ wal: { dir: archive } })
  manifest = await takePoint(driver, repository, nextRequest())
  await fill(source.cluster, 'later')
  const { time } = await put(await source.leader(), 'orders/1', 'the last one wanted')
  wanted = { time, contents: await source.contents() }
  const { index } = await put(await source.leader(), 'orders/1', 'a mistake')
  await archivedThrough(index)
}, 120_000)
afterEach(async () => {
  await source.remove()
  await rm(root, { recursive: true, force: true })
})

describe('recovery to a moment', { timeout: 240_000 }, () => {
  it('stops where it should in a scratch node, from the point that is before it', async () => {
    const to = { time: wanted.time }
    expect(await driver.plan?.(to, [manifest])).toMatchObject({ pointId: manifest.id })
    const { target, stoppedAt } = await driver.restore(contextFor(), manifest, artifacts(), { dir: scratch(), to })
    expect(stoppedAt).toEqual({ paused: false, time: wanted.time })
    const addr = await readFile(join(scratch(), 'node.json'), 'utf8')
    expect(await source.contents({ url: `http://${addr}` })).toBe(wanted.contents)
    await driver.destroy({ dir: target.dir })
  })

  it('brings the live cluster there, once it has an archive of its own for what follows', async () => {
    const live = driver.live as LiveRestore
    const confirm = await live.fingerprint()
    const choice = { to: wanted.time }
    await expect(live.check(manifest, confirm, choice)).rejects.toMatchObject({ code: 'SOURCE_UNFIT', object: archive })
    const next = `${archive}-2`
    await mkdir(next)
    const moved = await source.driver({ wal: { dir: next } })
    const over = moved.live as LiveRestore
    await expect(over.check(manifest, confirm, choice)).rejects.toMatchObject({ code: 'SOURCE_UNFIT', object: 'node-1' })
    for (const { dir } of source.cluster.nodes) {
      const file = join(dir, 'etc', 'config.toml')
      await writeFile(file, (await readFile(file, 'utf8')).replaceAll(`${archive}/`, `${next}/`))
    }
    await over.check(manifest, confirm, choice)
    const held = (await readdir(archive)).sort()
    const { oid } = await over.restoreAside(contextFor(), manifest, artifacts(), { dir: scratch(), choice })
    await over.swap(manifest, confirm, oid, {
      context: contextFor(),
      source: artifacts(),
      dir: scratch(),
      choice,
    })
    for (const node of source.cluster.nodes) expect(await source.contents(node)).toBe(wanted.contents)
    await put(await source.leader(), 'orders/1', 'life goes on')
    await until(async () => (await readdir(next)).length > 0, { timeoutMs: 30_000, what: 'the new archive to get segments' })
    expect((await readdir(archive)).sort()).toEqual(held)

    // Points of now go with the new archive; with the old one there is no way from them, and they say so.
    expect((await takePoint(moved, repository, nextRequest())).inventory?.['wal']).toEqual({ archive: next })
    const mixed = await takePoint(driver, repository, nextRequest())
    expect(mixed.warnings).toEqual([expect.stringContaining('Give it another archive')])
    await expect(driver.plan?.({ latest: true }, [mixed])).rejects.toMatchObject({ code: 'TARGET_OUT_OF_RANGE' })
  })

  it('is refused across a gap, before the point, and where the archive ends too early', async () => {
    await expect(driver.plan?.({ time: '2001-01-01T00:00:00Z' }, [manifest])).rejects.toMatchObject({ code: 'TARGET_OUT_OF_RANGE' })
    await expect(driver.plan?.({ lsn: '0/1' }, [manifest])).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    const later = { time: new Date(Date.now() + 3_600_000).toISOString() }
    await expect(driver.restore(contextFor(), manifest, artifacts(), { dir: scratch(), to: later })).rejects.toMatchObject({
      code: 'TARGET_NOT_REACHED',
    })
    expect(await driver.window?.()).toMatchObject({ archive, gaps: [] })
    const index = Number(manifest.inventory?.['snapshot']?.['index'])
    const lost = (await readdir(archive)).sort().find((name) => Number(name.slice(0, 20)) > index + 1) ?? ''
    await rm(join(archive, lost))
    const [first, last] = [Number(lost.slice(0, 20)), Number(lost.slice(21, 41))]
    expect(await driver.window?.()).toMatchObject({ gaps: [{ from: first, to: last }] })
    for (const to of [{ latest: true }, later])
      await expect(driver.plan?.(to, [manifest])).rejects.toMatchObject({
        code: 'TARGET_OUT_OF_RANGE',
        message: expect.stringContaining(`entries ${first} to ${last}`),
      })
  })

  it('is refused over a torn or damaged segment, and leaves nothing', async () => {
    const index = Number(manifest.inventory?.['snapshot']?.['index'])
    const name = (await readdir(archive)).sort().find((one) => Number(one.slice(21, 41)) > index) ?? ''
    const text = await readFile(join(archive, name), 'utf8')
    for (const damaged of [text.slice(0, -20), text.replace('value', 'valve')]) {
      await writeFile(join(archive, name), damaged)
      await expect(
        driver.restore(contextFor(), manifest, artifacts(), { dir: scratch(), to: { time: wanted.time } }),
      ).rejects.toMatchObject({
        code: 'INTEGRITY',
        retryable: false,
        message: expect.stringContaining('CRC mismatch'),
      })
      await expect(readdir(scratch())).rejects.toThrow('ENOENT')
    }
  })

  /** The archive as `holdfast wal-push` would have filled it, and the source on it. */
  async function shipped() {
    const verifier = createVerifier({ [SIGNING.keyId]: SIGNING.publicKey })
    const shop = { archive: 'shop', store: createMemoryStore(), verifier, identityFile: repository.identity.file }
    const pushing = { ...shop, signer, recipients: [repository.identity.recipient], compressionLevel: 3 }
    for (const name of await readdir(archive)) await pushWal(pushing, join(archive, name))
    const named = await createDriver(source.config({ wal: { archive: 'shop' } }), { source: 'orders', archive: async () => shop })
    return { shop, named, taken: { ...manifest, inventory: { ...manifest.inventory, wal: { archive: 'shop' } } } }
  }
  const namesOf = (held: Held[]) => held.map(({ name }) => name)
  const restoredOn = async (named: SourceDriver, taken: Manifest) => {
    const to = { time: wanted.time }
    const { target, stoppedAt } = await named.restore(contextFor(), taken, artifacts(), { dir: scratch(), to })
    expect(stoppedAt?.time).toBe(wanted.time)
    const addr = await readFile(join(scratch(), 'node.json'), 'utf8')
    expect(await source.contents({ url: `http://${addr}` })).toBe(wanted.contents)
    await named.destroy({ dir: target.dir })
  }

  it('reads a copy of that archive, says so, and trusts no time at which the copy was made', async () => {
    const { shop, taken } = await shipped()
    const late = new Date(Date.now() + 3_600_000)
    const copy = createMemoryStore({ now: () => late })
    const { held } = await heldIn(shop)
    await copyWal(shop, copy, namesOf(held), {})
    const wiring = { source: 'orders', archive: async () => ({ ...shop, store: copy, copyIn: 'dr' }) }
    const named = await createDriver(source.config({ wal: { archive: 'shop' } }), wiring)
    const restored = await named.restore(contextFor(), taken, artifacts(), { dir: scratch(), to: { time: wanted.time } })
    expect(restored.stoppedAt?.time).toBe(wanted.time)
    expect(restored.notes).toEqual([expect.stringMatching(/^the log was read from its copy in dr, which goes to entry \d+, archived at /)])
    await named.destroy({ dir: restored.target.dir })
    const to = { time: new Date(Date.now() + 600_000).toISOString() }
    await expect(named.restore(contextFor(), taken, artifacts(), { dir: scratch(), to })).rejects.toMatchObject({
      code: 'TARGET_NOT_REACHED',
    })
  })

  it('reads what is damaged in that archive from a copy, and says so; where all are damaged it is refused', async () => {
    const { shop, taken } = await shipped()
    const copy = createMemoryStore()
    const { held } = await heldIn(shop)
    await copyWal(shop, copy, namesOf(held), {})
    const [key = ''] = held.at(-1)?.objects ?? []
    const damage = async (store: MemoryStore) => store.overwrite(key, (await readAll(store, key)).fill(0, 9, 12))
    await damage(shop.store)
    const places = async () => [shop, { ...shop, store: copy, copyIn: 'dr' }]
    const wiring = { source: 'orders', archive: async () => ({ ...shop, places }) }
    const named = await createDriver(source.config({ wal: { archive: 'shop' } }), wiring)
    const { target, warnings } = await named.restore(contextFor(), taken, artifacts(), { dir: scratch(), to: { latest: true } })
    expect(warnings).toEqual([expect.stringMatching(/\.zst\.age has .*; it was read from dr$/)])
    await named.destroy({ dir: target.dir })
    await damage(copy)
    await expect(named.restore(contextFor(), taken, artifacts(), { dir: scratch(), to: { latest: true } })).rejects.toMatchObject({
      code: 'INTEGRITY',
      object: key,
    })
  })

  it('is refused for a moment at which nothing was shipped: what came late is of before', async () => {
    const between = { time: new Date().toISOString() }
    const { named, taken } = await shipped()
    await expect(named.restore(contextFor(), taken, artifacts(), { dir: scratch(), to: between })).rejects.toMatchObject({
      code: 'TARGET_NOT_REACHED',
      message: expect.stringContaining('written to until'),
    })
  })

  it('reads an archive of holdfast wal-push as well, also once all has gone that no point needs', async () => {
    const { shop, named, taken } = await shipped()
    expect(await named.window?.()).toMatchObject({ archive: 'shop', gaps: [] })
    await restoredOn(named, taken)
    const { held } = await heldIn(shop)
    const keeping = { archive: 'shop', held, points: [taken], before: new Date(Date.now() + 1000) }
    const { go = [], needed } = named.planLog?.(keeping) ?? {}
    expect(go.length).toBeGreaterThan(0)
    expect(needed).toEqual({ segments: held.length - go.length, by: taken.id })
    const files = held.filter(({ name }) => go.includes(name))
    expect(await removeWal(shop, files)).toBeUndefined()
    expect(await named.window?.()).toMatchObject({ segments: held.length - go.length, gaps: [] })
    await restoredOn(named, taken)
    // One segment more, and it is refused.
    const [needle] = held.filter(({ name }) => !go.includes(name))
    await removeWal(shop, needle ? [needle] : [])
    await expect(named.plan?.({ latest: true }, [taken])).rejects.toMatchObject({ code: 'TARGET_OUT_OF_RANGE' })
  })
})

describe('the way through an archive', () => {
  const segment = (first: number, last: number) => ({ name: `${first}-${last}`, first, last, archivedAt: new Date(0) })
  it('goes over segments of two leaders that overlap', () => {
    const way = wayFrom(4, [segment(1, 5), segment(3, 9), segment(6, 9), segment(10, 12)])
    expect(way).toMatchObject({ through: 12, segments: [{ first: 1 }, { first: 3 }, { first: 10 }] })
    expect(way.gap).toBeUndefined()
  })
  it('ends at the first entry that is missing', () => {
    expect(wayFrom(4, [segment(5, 6), segment(8, 9)])).toMatchObject({ through: 6, gap: { from: 7, to: 7 } })
    expect(wayFrom(4, [segment(6, 9)])).toMatchObject({ through: 4, gap: { from: 5, to: 5 } })
  })
})
