import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Manifest } from '../../src/core/records.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { until } from '../../src/process/wait.ts'
import { contextFor, failures, nextRequest, openRepository, type Repository, takePoint } from '../conformance/driver.ts'
import { LDB, ldb, makeStore, type Store } from '../support/rocksdb.ts'

let repository: Repository
let store: Store
let scratch: string
beforeAll(async () => {
  repository = await openRepository()
})
afterAll(() => rm(repository.dir, { recursive: true, force: true }))
beforeEach(async () => {
  store = await makeStore()
  scratch = await mkdtemp(join(tmpdir(), 'holdfast-scratch-'))
})
afterEach(async () => {
  await store.remove()
  await rm(scratch, { recursive: true, force: true })
})
const source = (signal?: AbortSignal) =>
  createSource({ store: repository.store, identityFile: repository.identity.file, ...(signal && { signal }) })
const take = async (more: object = {}, base?: Manifest) =>
  takePoint(store.driver(more), repository, { ...nextRequest(), ...(base && { base, kind: 'incremental' as const }) })
const restored = async (manifest: Manifest, more: object = {}) => {
  const driver = store.driver(more)
  const dir = join(scratch, 'copy')
  return { driver, dir, ...(await driver.restore(contextFor(), manifest, source(), { dir })) }
}
const prove = async (manifest: Manifest, more: object = {}, depth: 'restore' | 'full' = 'full', assertions: { name: string }[] = []) => {
  const { driver, target } = await restored(manifest, more)
  return driver.verify(contextFor(), manifest, target, { depth, assertions })
}
const own = ({ id, artifacts }: Manifest) => artifacts.filter(({ key }) => key.includes(`/${id}/`)).map(({ part }) => part)

describe('an incremental', () => {
  it('uploads only what its base does not have by content, and is restored whole', async () => {
    const full = await take()
    await store.put('k2', 'v2')
    const contents = await store.contents()
    const next = await take({}, full)
    expect(own(next).filter((part) => part.endsWith('.sst')).length).toBeLessThan(
      next.artifacts.filter(({ role }) => role === 'sst').length,
    )
    const big = full.artifacts.toSorted((a, b) => (b.plainBytes ?? 0) - (a.plainBytes ?? 0))[0]
    expect(next.artifacts).toContainEqual(big)
    expect(next.storedBytes).toBeLessThan(full.storedBytes / 2)
    const { target } = await restored(next)
    expect(await store.contents(target.connection)).toBe(contents)
    expect(failures(await prove(next))).toEqual([])
  })

  it('takes no file for another that has its name: the parts of a point are unique, their contents are its own', async () => {
    const full = await take()
    const differs = structuredClone(full)
    // As after the store was made anew: the same names over other contents.
    for (const artifact of differs.artifacts) artifact.contentBlake3 = '0'.repeat(64)
    const next = await take({}, differs)
    expect(own(next).sort()).toEqual(next.artifacts.map(({ part }) => part).sort())
    expect(new Set(next.artifacts.map(({ part }) => part)).size).toBe(next.artifacts.length)
  })

  it('finds a content again under another name, and stores it under the name that it has now', async () => {
    const full = await take()
    const renamed = structuredClone(full)
    for (const artifact of renamed.artifacts) artifact.part = `old-${artifact.part}`
    const next = await take({}, renamed)
    expect(own(next)).toEqual([])
    expect(next.artifacts.every(({ part }) => !part.startsWith('old-'))).toBe(true)
    expect(failures(await prove(next))).toEqual([])
  })
})

describe('a proof', () => {
  it('opens read-only and reads every key of every column family, and leaves the copy as it was', async () => {
    const manifest = await take()
    expect(await prove(manifest, {}, 'restore')).toMatchObject([
      { name: 'files', ok: true },
      { name: 'opens read-only', ok: true, actual: 'column families default, users' },
      { name: 'column family default', ok: true, actual: "about 2001 keys by the engine's count" },
      { name: 'all of default', ok: true, actual: '2001 keys read' },
      { name: 'column family users', ok: true },
      { name: 'all of users', ok: true, actual: '1 keys read' },
    ])
  })

  it('reads what is in the files, not only that they are there: one flipped byte is seen without comparing digests', async () => {
    const manifest = await take()
    const { driver, target } = await restored(manifest)
    const big = manifest.artifacts.toSorted((a, b) => (b.plainBytes ?? 0) - (a.plainBytes ?? 0))[0]?.part ?? ''
    const bytes = await readFile(join(target.connection, big))
    bytes[50_000] = (bytes[50_000] ?? 0) ^ 0xff
    await writeFile(join(target.connection, big), bytes)
    const red = failures(await driver.verify(contextFor(), manifest, target, { depth: 'restore', assertions: [] }))
    expect(red).toMatchObject([{ name: 'all of default', actual: expect.stringContaining('Corruption') }])
  })

  it('counts a key of many lines once', async () => {
    await ldb(store.path, '--key_hex', 'put', '0x0A0A0A', 'lines')
    const found = await prove(await take())
    expect(found.find(({ name }) => name === 'all of default')?.actual).toBe('2002 keys read')
  })

  it('of a copy that is not there, or does not open, says so in the words that people search for', async () => {
    const manifest = await take()
    const { driver, target } = await restored(manifest)
    const ask = () => driver.verify(contextFor(), manifest, target, { depth: 'restore', assertions: [] })
    const [lost = ''] = (await readdir(target.connection)).filter((name) => name.startsWith('MANIFEST'))
    await rm(join(target.connection, lost))
    expect(failures(await ask()).map(({ actual }) => actual)).toContainEqual(
      expect.stringContaining(`Failed to open backup database at ${target.connection}`),
    )
    await rm(target.connection, { recursive: true })
    expect(failures(await ask())).toMatchObject([{ name: 'folder', actual: `Backup directory not found: ${target.connection}` }])
  })

  it('names the file whose content is another, and one that is not of the point', async () => {
    const manifest = await take()
    const { driver, target } = await restored(manifest)
    const files = async (depth: 'restore' | 'full') =>
      (await driver.verify(contextFor(), manifest, target, { depth, assertions: [] })).find(({ name }) => name === 'files')
    const log = manifest.artifacts.find(({ role }) => role === 'current')?.part ?? ''
    const text = await readFile(join(target.connection, log), 'utf8')
    await writeFile(join(target.connection, log), text.toLowerCase())
    expect(await files('full')).toMatchObject({ ok: false, actual: `${log} has another content` })
    await writeFile(join(target.connection, log), text)
    await writeFile(join(target.connection, 'added'), 'x')
    expect(await files('restore')).toMatchObject({ ok: false, actual: 'added is not of the point' })
  })

  it('lets a program of the user write to a copy of the copy, which is gone afterwards', async () => {
    const manifest = await take()
    const { driver, target } = await restored(manifest)
    const write = ['sh', '-c', '"$0" --db="$1" put written by-the-user && "$0" --db="$1" get written', LDB, '{path}']
    const assertions = [
      { name: 'writes', run: write },
      { name: 'binary', get: '0x6B31', equals: '0x7631' },
    ]
    for (let round = 1; round <= 2; round += 1)
      expect(failures(await driver.verify(contextFor(), manifest, target, { depth: 'full', assertions }))).toEqual([])
    expect((await readdir(join(scratch, 'copy'))).sort()).toEqual(['.holdfast-scratch', 'data'])
  })

  it('asks the program of the store where ldb cannot open it', async () => {
    const manifest = await take()
    expect((await prove(manifest, { openCheck: ['test', '-f', '{path}/CURRENT'] })).map(({ name, ok }) => [name, ok])).toContainEqual([
      'opens',
      true,
    ])
    expect(failures(await prove(manifest, { openCheck: ['false'] }))).toMatchObject([{ name: 'opens' }])
  })

  it('misses a column family that has to be there', async () => {
    const red = failures(await prove(await take(), { columnFamilies: ['orders'] }))
    expect(red).toMatchObject([{ name: 'opens read-only', expected: 'column families default, orders, users' }])
  })
})

describe('a restore to a path of its own', () => {
  const into = () => join(store.dir, 'other', 'restored')
  const restoreInto = async (manifest: Manifest, context = contextFor()) =>
    store.driver().restore(context, manifest, source(context.signal), { dir: join(scratch, 'restore-1'), choice: { into: into() } })

  it('fills it, closed to others, and leaves the live one alone; who then discards the scratch folder does not lose it', async () => {
    const manifest = await take()
    const before = await store.contents()
    await store.put('k1', 'changed')
    const { target } = await restoreInto(manifest)
    expect(target).toMatchObject({ kind: 'beside', connection: into() })
    await store.driver().destroy({ dir: join(scratch, 'restore-1') })
    expect(await store.contents(into())).toBe(before)
    expect((await stat(into())).mode & 0o777).toBe(0o700)
    expect(await ldb(store.path, 'get', 'k1')).toContain('changed')
    expect(await readdir(scratch)).toEqual([])
  })

  it('is refused where something is; an empty folder is nothing', async () => {
    const manifest = await take()
    await mkdir(into(), { recursive: true })
    await restoreInto(manifest)
    await expect(restoreInto(manifest)).rejects.toMatchObject({ code: 'INPUT_INVALID', object: into() })
  })

  it('that is stopped leaves nothing there', async () => {
    const manifest = await take()
    await expect(
      restoreInto(
        manifest,
        contextFor((_, count) => count === 3),
      ),
    ).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(await readdir(join(store.dir, 'other'))).toEqual([])
    expect(await readdir(scratch)).toEqual([])
  })
})

it('a restore has several files under way at once, and is whole', async () => {
  const manifest = await take()
  const real = source()
  const begun: string[] = []
  const toFile: typeof real.toFile = async (artifact, path) => {
    begun.push(artifact.part)
    await until(() => begun.length > 1, { what: 'a second file beside the first', timeoutMs: 10_000 })
    await real.toFile(artifact, path)
  }
  const { target } = await store.driver().restore(contextFor(), manifest, { ...real, toFile }, { dir: join(scratch, 'copy') })
  expect(await store.contents(target.connection)).toBe(await store.contents())
})

it('a store whose checkpoint has a link in it is refused: what that leads to would not be in the backup', async () => {
  const call = ['sh', '-c', '"$0" --db="$1" checkpoint --checkpoint_dir="$2" && ln -s /etc/passwd "$2/link"', LDB, '{path}', '{checkpoint}']
  await expect(take({ checkpoint: { command: call } })).rejects.toMatchObject({
    code: 'SOURCE_UNFIT',
    object: expect.stringMatching(/link$/),
  })
  expect((await readdir(store.dir)).filter((name) => name !== 'store')).toEqual([])
})

it('a part whose name leads out of the folder is not written', async () => {
  const manifest = await take()
  const evil = structuredClone(manifest)
  Object.assign(evil.artifacts[0] ?? {}, { part: '../../evil' })
  await expect(restored(evil)).rejects.toMatchObject({ code: 'INTEGRITY', object: '../../evil' })
})

it('a scratch folder with files of somebody else is left alone', async () => {
  const manifest = await take()
  await mkdir(join(scratch, 'copy'))
  await writeFile(join(scratch, 'copy', 'precious'), 'x')
  await expect(restored(manifest)).rejects.toMatchObject({ code: 'SOURCE_UNFIT' })
  expect(await readFile(join(scratch, 'copy', 'precious'), 'utf8')).toBe('x')
})

it('a moment to restore to is refused: a checkpoint holds one', async () => {
  const driver = store.driver()
  const manifest = await take()
  const to = { time: '2026-01-15T12:00:00Z' }
  await expect(driver.restore(contextFor(), manifest, source(), { dir: scratch, to })).rejects.toMatchObject({
    code: 'TARGET_OUT_OF_RANGE',
  })
})
