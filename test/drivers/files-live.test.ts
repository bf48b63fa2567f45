/** What a restore of files over a live folder promises: it changes what it said, leaves what is not its own, and keeps what it replaced. */
import { lstat, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { contextFor } from '../conformance/driver.ts'
import { beside, dir, driverOf, filling, live, put, restoreOver, root, source, take, text, useFolder } from '../support/files/live.ts'
import { describeTree, fillTree } from '../support/files/tree.ts'

useFolder()

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
