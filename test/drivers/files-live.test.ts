/** What a restore of files over a live folder promises: it says what it will change, changes that, and keeps what it replaced. */
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Manifest } from '../../src/core/records.ts'
import type { LiveRestore, RestoreChoice } from '../../src/drivers/driver.ts'
import { filesSource } from '../../src/drivers/files/config.ts'
import { createFiles } from '../../src/drivers/files/index.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { contextFor, nextRequest, openRepository, type Repository, takePoint } from '../conformance/driver.ts'
import { describeTree, fillTree } from '../support/files/tree.ts'

let dir: string
let root: string
let repository: Repository
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-files-'))
  root = join(dir, 'root')
  await mkdir(root)
  repository = await openRepository()
})
afterEach(async () => {
  await rm(dir, { recursive: true, force: true })
  await rm(repository.dir, { recursive: true, force: true })
})

const driverOf = (more: object = {}) => createFiles(filesSource.parse({ driver: 'files', repository: 'hot', root, ...more }))
const source = () => createSource({ store: repository.store, identityFile: repository.identity.file })
const put = async (name: string, text = name) => {
  await mkdir(join(root, name, '..'), { recursive: true })
  await writeFile(join(root, name), text)
}
const text = (name: string) => readFile(join(root, name), 'utf8').catch(() => undefined)
const take = (driver = driverOf()) => takePoint(driver, repository, nextRequest())
const live = (driver = driverOf()) => driver.live as LiveRestore
const filling = (choice: RestoreChoice, run = 'restore-1') => ({ context: contextFor(), source: source(), dir: join(dir, run), choice })

async function restoreOver(manifest: Manifest, choice: RestoreChoice = {}, driver = driverOf()) {
  const confirm = await live(driver).fingerprint()
  await live(driver).check(manifest, confirm, choice)
  const { oid } = await live(driver).restoreAside(contextFor(), manifest, source(), { dir: join(dir, 'restore-1'), choice })
  return { swap: () => live(driver).swap(manifest, confirm, oid, filling(choice)), confirm, oid }
}
const diff = (manifest: Manifest, choice: RestoreChoice = {}, driver = driverOf()) =>
  driver.diff?.(manifest, choice, { context: contextFor(), source: source() })
/** What stands beside the root: nothing but what is kept may stay. */
const beside = async () => (await readdir(dir)).filter((name) => name !== 'root').sort()

describe('a diff', () => {
  it('names what a restore would add, change and remove, and changes nothing', async () => {
    for (const name of ['same', 'touched', 'gone', 'longer', 'flipped', 'mode', 'kind']) await put(name)
    const manifest = await take()
    await writeFile(join(root, 'touched'), 'touched')
    await rm(join(root, 'gone'))
    await put('longer', 'longer than before')
    await put('flipped', 'flippeD')
    await chmod(join(root, 'mode'), 0o600)
    await rm(join(root, 'kind'))
    await symlink('same', join(root, 'kind'))
    await put('new/file')
    const before = await describeTree(root)
    expect(await diff(manifest)).toEqual({
      target: root,
      added: 1,
      changed: 4,
      removed: 2,
      same: 2,
      changes: [
        { change: 'changed', name: 'flipped', why: 'other contents' },
        { change: 'added', name: 'gone' },
        { change: 'changed', name: 'kind', why: 'a link instead of a file' },
        { change: 'changed', name: 'longer', why: '18 bytes instead of 6' },
        { change: 'changed', name: 'mode', why: 'mode 0600 instead of 0644' },
        { change: 'removed', name: 'new' },
        { change: 'removed', name: 'new/file' },
      ],
    })
    expect(await describeTree(root)).toBe(before)
    expect(await beside()).toEqual([])
  })

  it('of a part looks at that part only, which takes nothing away', async () => {
    for (const name of ['a/1', 'a/2', 'b']) await put(name)
    const manifest = await take()
    await put('b', 'other')
    await put('a/2', 'other')
    await put('a/3')
    expect(await diff(manifest, { parts: ['a'] })).toMatchObject({ added: 0, changed: 1, removed: 0, same: 2 })
    expect(await diff(manifest, { parts: ['a'], mode: 'replace' })).toMatchObject({ changed: 1, removed: 1 })
    await expect(diff(manifest, { parts: ['nope'] })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('says nothing of what the source leaves alone, by name or by content', async () => {
    await put('a')
    const manifest = await take()
    await put('.env')
    await put('notes', '-----BEGIN PRIVATE KEY-----')
    expect(await diff(manifest)).toMatchObject({ added: 0, changed: 0, removed: 0, same: 1 })
  })

  it('of a folder that is gone finds all of it new', async () => {
    await put('a/b')
    const manifest = await take()
    await rm(root, { recursive: true })
    expect(await diff(manifest)).toMatchObject({ added: 2, changed: 0, removed: 0, same: 0 })
  })
})

describe('a restore over the live folder', () => {
  it('is refused unless this very folder is confirmed, and says what it would change', async () => {
    await put('a')
    const manifest = await take()
    await put('a', 'other')
    const check = live().check(manifest, '', {}, { context: contextFor(), source: source() })
    const error = await check.catch((caught: unknown) => caught)
    const fingerprint = await live().fingerprint()
    expect(error).toMatchObject({ code: 'CONFIRM_MISMATCH', details: { fingerprint, difference: { changed: 1 } } })
    expect((error as Error).message).toContain('~ a  (5 bytes instead of 1)')
    await rename(root, `${root}-old`)
    await mkdir(root)
    await expect(live().check(manifest, fingerprint)).rejects.toMatchObject({ code: 'CONFIRM_MISMATCH' })
    await expect(live().swap(manifest, fingerprint, undefined, filling({}))).rejects.toMatchObject({ code: 'CONFIRM_MISMATCH' })
  })

  it('is one rename where the source takes all of it, and the old folder is kept as it was', async () => {
    await fillTree(root)
    const before = await describeTree(root)
    const manifest = await take()
    await put('env.example', 'changed')
    await put('added')
    const changed = await describeTree(root)
    const { swap } = await restoreOver(manifest)
    expect(await describeTree(root)).toBe(changed)
    const swapped = await swap()
    expect(await describeTree(root)).toBe(before)
    expect(await describeTree(swapped.keptAs ?? '')).toBe(changed)
    expect(await swap()).toEqual(swapped)
    expect(await beside()).toEqual([swapped.keptAs?.slice(dir.length + 1)])
  })

  it('leaves secrets and all that the source leaves out where they are', async () => {
    for (const name of ['a', 'b', 'c/d', 'run/app.sock.txt', '.env', 'c/server.key']) await put(name)
    await put('token', `ghp_${'a1B2'.repeat(9)}`)
    const driver = driverOf({ exclude: ['run'] })
    const manifest = await take(driver)
    await put('a', 'changed')
    await rm(join(root, 'b'))
    await put('new/x')
    const { ino } = await stat(root)
    const { swap } = await restoreOver(manifest, {}, driver)
    const { keptAs = '' } = await swap()
    expect((await stat(root)).ino).toBe(ino)
    expect(await Promise.all(['a', 'b', 'c/d', '.env', 'c/server.key', 'run/app.sock.txt', 'new/x'].map(text))).toEqual([
      'a',
      'b',
      'c/d',
      '.env',
      'c/server.key',
      'run/app.sock.txt',
      undefined,
    ])
    expect(await text('token')).toContain('ghp_')
    expect(await readFile(join(keptAs, 'a'), 'utf8')).toBe('changed')
    expect(await readFile(join(keptAs, 'new/x'), 'utf8')).toBe('new/x')
    expect(await readdir(root)).not.toContain('new')
    expect(await swap()).toMatchObject({ keptAs })
    expect(await beside()).toEqual([keptAs.slice(dir.length + 1)])
  })

  it('does not move a socket away from its server', async () => {
    await put('a')
    const manifest = await take()
    const server = createServer().listen(join(root, 'socket'))
    await new Promise((resolve) => server.once('listening', resolve))
    await put('a', 'changed')
    await (await restoreOver(manifest)).swap()
    expect((await lstat(join(root, 'socket'))).isSocket()).toBe(true)
    expect(await text('a')).toBe('a')
    await new Promise((resolve) => server.close(resolve))
  })

  it('with upsert takes nothing away', async () => {
    await put('a')
    await put('b/c')
    const manifest = await take()
    await put('a', 'changed')
    await rm(join(root, 'b'), { recursive: true })
    await put('new')
    await (await restoreOver(manifest, { mode: 'upsert' })).swap()
    expect(await Promise.all(['a', 'b/c', 'new'].map(text))).toEqual(['a', 'b/c', 'new'])
  })

  it('of single files changes these, and what stands in their way is kept', async () => {
    for (const name of ['a', 'deep/in/b', 'deep/in/c', 'was-file', 'was-folder/x']) await put(name)
    const manifest = await take()
    await put('a', 'changed')
    await put('deep/in/c', 'changed')
    await rm(join(root, 'deep/in/b'))
    await rm(join(root, 'was-file'))
    await put('was-file/now-folder')
    await rm(join(root, 'was-folder'), { recursive: true })
    await put('was-folder', 'now a file')
    const parts = ['deep/in/b', 'c', 'was-*']
    const { keptAs = '' } = await (await restoreOver(manifest, { parts })).swap()
    expect(await Promise.all(['a', 'deep/in/b', 'deep/in/c', 'was-file', 'was-folder/x'].map(text))).toEqual([
      'changed',
      'deep/in/b',
      'deep/in/c',
      'was-file',
      'was-folder/x',
    ])
    const kept = await Promise.all(['deep/in/c', 'was-file/now-folder', 'was-folder'].map((name) => readFile(join(keptAs, name), 'utf8')))
    expect(kept).toEqual(['changed', 'was-file/now-folder', 'now a file'])
  })

  it('does not follow a link that leads out of the folder', async () => {
    await put('conf/a')
    const manifest = await take()
    await rm(join(root, 'conf'), { recursive: true })
    await mkdir(join(dir, 'elsewhere'))
    await writeFile(join(dir, 'elsewhere/a'), 'not ours')
    await symlink(join(dir, 'elsewhere'), join(root, 'conf'))
    await (await restoreOver(manifest, { mode: 'upsert' })).swap()
    expect(await readFile(join(dir, 'elsewhere/a'), 'utf8')).toBe('not ours')
    expect((await lstat(join(root, 'conf'))).isDirectory()).toBe(true)
    expect(await text('conf/a')).toBe('conf/a')
  })

  it('goes where nothing is any more, and again', async () => {
    await put('a/b')
    const before = await describeTree(root)
    const manifest = await take()
    await rm(root, { recursive: true })
    const { swap } = await restoreOver(manifest)
    expect(await swap()).not.toHaveProperty('keptAs')
    expect(await swap()).not.toHaveProperty('keptAs')
    expect(await describeTree(root)).toBe(before)
  })

  it('keeps a root that is a link, and the folder that it leads to keeps its name', async () => {
    await put('a')
    await rename(root, join(dir, 'v1'))
    await symlink('v1', root)
    const manifest = await take()
    await put('a', 'changed')
    await (await restoreOver(manifest)).swap()
    expect((await lstat(root)).isSymbolicLink()).toBe(true)
    expect(await readFile(join(dir, 'v1/a'), 'utf8')).toBe('a')
  })

  it('is found where it was cut short between its two renames, and finished or taken back', async () => {
    await put('a')
    const manifest = await take()
    await put('a', 'changed')
    for (const end of ['finished', 'taken back']) {
      const { swap, confirm, oid } = await restoreOver(manifest)
      // As a kill leaves it: the old folder has its new name, the new one has not.
      const aside = `${root}_restore_${manifest.id}`
      const kept = `${root}_pre_restore_20260101_000000`
      await writeFile(join(aside, 'swapping.json'), JSON.stringify({ how: 'rename', kept, confirmed: confirm }))
      await rename(root, kept)
      expect(oid).toBeDefined()
      if (end === 'finished') await swap()
      else await live().removeAside(manifest)
      expect(await text('a')).toBe(end === 'finished' ? 'a' : 'changed')
      expect(await beside()).toEqual(end === 'finished' ? ['root_pre_restore_20260101_000000'] : [])
      await rm(kept, { recursive: true, force: true })
      await put('a', 'changed')
    }
  })

  it('stopped in the middle of many files goes on where it was', async () => {
    for (let number = 0; number < 700; number += 1) await put(`f${number}`, 'old')
    await put('.env')
    const manifest = await take()
    for (let number = 0; number < 700; number += 1) await put(`f${number}`, 'changed')
    const { confirm, oid } = await restoreOver(manifest)
    const stopping = contextFor(({ phase }) => phase === 'swap' && ++told === 2)
    let told = 0
    await expect(live().swap(manifest, confirm, oid, { ...filling({}), context: stopping })).rejects.toBeDefined()
    const state = async () => new Set(await Promise.all(Array.from({ length: 700 }, (_, number) => text(`f${number}`))))
    expect(await state()).toEqual(new Set(['old', 'changed']))
    const { keptAs = '' } = await live().swap(manifest, confirm, oid, filling({}))
    expect(await state()).toEqual(new Set(['old']))
    expect((await readdir(keptAs)).length).toBe(701)
  })

  it('takes nothing that another try has made again, and nothing that is damaged', async () => {
    await put('a')
    const manifest = await take()
    const { swap, confirm } = await restoreOver(manifest)
    await live().restoreAside(contextFor(), manifest, source())
    await expect(swap()).rejects.toMatchObject({ code: 'STORE_CONFLICT' })
    await live().removeAside(manifest)
    await live().removeAside(manifest)
    expect(await beside()).toEqual([])
    await expect(live().swap(manifest, confirm, undefined, filling({}))).rejects.toMatchObject({ code: 'NOT_FOUND' })
    const other = { ...manifest, inventory: { ...manifest.inventory, index: { digest: '0'.repeat(64) } } }
    await expect(live().restoreAside(contextFor(), other, source())).rejects.toMatchObject({ code: 'INTEGRITY' })
    expect(await beside()).toEqual([])
  })
})

describe('a restore into another folder', () => {
  let runs = 0
  const into = (folder: string, manifest: Manifest, choice: RestoreChoice = {}) =>
    driverOf().restore(contextFor(), manifest, source(), { dir: join(dir, `restore-${++runs}`), choice: { into: folder, ...choice } })

  it('makes it, leaves the live one alone, and may be repeated', async () => {
    await fillTree(root)
    const manifest = await take()
    const there = join(dir, 'there')
    for (let round = 1; round <= 2; round += 1) {
      const { target } = await into(there, manifest)
      expect(target).toMatchObject({ kind: 'beside', connection: there })
      expect(await describeTree(there)).toBe(await describeTree(root))
      expect(await beside()).toEqual(['there'])
    }
  })

  it('goes over nothing that is there unless it is told to, and then keeps it', async () => {
    await put('a')
    const manifest = await take()
    const there = join(dir, 'there')
    await mkdir(there)
    await writeFile(join(there, 'a'), 'theirs')
    await writeFile(join(there, 'b'), 'theirs')
    await expect(into(there, manifest)).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await into(there, manifest, { mode: 'upsert' })
    expect((await readdir(there)).sort()).toEqual(['a', 'b'])
    expect(await readFile(join(there, 'a'), 'utf8')).toBe('a')
    await into(there, manifest, { mode: 'replace' })
    expect(await readdir(there)).toEqual(['a'])
    expect(await beside()).toContain('there')
  })

  it.each(['relative', '/', 'live', 'below'])('is refused for %s', async (where) => {
    await put('a')
    const manifest = await take()
    const folder = { relative: 'there', '/': '/', live: root, below: join(root, 'below') }[where] ?? ''
    await expect(into(folder, manifest)).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  })
})

describe('a part of a point', () => {
  it('is restored with the folders above it, and a name without the other names of its file', async () => {
    await fillTree(root)
    const manifest = await take()
    const scratch = join(dir, 'scratch')
    const { target } = await driverOf().restore(contextFor(), manifest, source(), {
      dir: scratch,
      choice: { parts: ['shared.yml', 'schemas/v1'] },
    })
    const tree = target.connection
    expect((await readdir(tree)).sort()).toEqual(['schemas', 'shared.yml'])
    expect(await readFile(join(tree, 'shared.yml'), 'utf8')).toBe(await text('shared.yml'))
    expect(await readdir(join(tree, 'schemas/v1'))).toEqual(['order.json'])
    await (await restoreOver(manifest, { parts: ['shared.yml'] })).swap()
    expect(await text('shared.yml')).toBe(await text('infra/docker-compose.yml'))
  })
})
