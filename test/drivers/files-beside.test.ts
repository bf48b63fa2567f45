/** What a restore would change, what it brings to another folder, and a part of a point. */
import { chmod, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Manifest } from '../../src/core/records.ts'
import type { RestoreChoice } from '../../src/drivers/driver.ts'
import { contextFor } from '../conformance/driver.ts'
import { beside, diff, dir, driverOf, put, restoreOver, root, source, take, text, useFolder } from '../support/files/live.ts'
import { describeTree, fillTree } from '../support/files/tree.ts'

useFolder()

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
