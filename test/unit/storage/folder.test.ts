import { mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { crc32Of } from '../../../src/storage/crc.ts'
import { createFolderStore } from '../../../src/storage/folder.ts'
import { openStore } from '../../../src/storage/open.ts'
import { readAll, type Store } from '../../../src/storage/store.ts'
import { keysIn } from '../../support/catalog.ts'

let dir: string
let store: Store
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-folder-'))
  store = await createFolderStore(dir)
})
afterEach(() => rm(dir, { recursive: true, force: true }))
const body = Buffer.from('bytes')
const put = (key: string) => store.put(key, body, { ifAbsent: true })

describe('a folder', () => {
  it('must exist: a disk that is not mounted is no empty repository', async () => {
    await expect(createFolderStore(join(dir, 'missing'))).rejects.toMatchObject({
      code: 'NOT_FOUND',
      object: join(dir, 'missing'),
      next: expect.stringContaining('mount'),
    })
  })

  it('holds objects as plain files, and nothing of a write that ended', async () => {
    await put('a/b/c')
    const upload = await store.startUpload('a/d')
    await upload.part(1, body)
    await upload.complete({ size: body.length, crc32: crc32Of(body) })
    expect(await readdir(join(dir, 'a'), { recursive: true })).toEqual(expect.arrayContaining(['b', 'b/c', 'd']))
    expect(await readdir(join(dir, '.uploads'))).toEqual([])
  })

  it('keeps uploads of a process that died to be swept, and removes what its puts left', async () => {
    const upload = await store.startUpload('x/left')
    await upload.part(1, body)
    await writeFile(join(dir, '.uploads', 'put-0011223344556677'), 'half')
    await writeFile(join(dir, '.uploads', 'put-8899aabbccddeeff'), 'being written')
    const old = new Date(Date.now() - 2 * 86_400_000)
    await utimes(join(dir, '.uploads', 'put-0011223344556677'), old, old)

    const reopened = await createFolderStore(dir)
    expect(await keysIn(reopened)).toEqual([])
    const pending = []
    for await (const found of reopened.pendingUploads('x/')) pending.push(found)
    expect(pending).toMatchObject([{ key: 'x/left', id: upload.id }])
    await reopened.abortUpload({ key: 'x/left', id: upload.id })
    expect(await readdir(join(dir, '.uploads'))).toEqual(['put-8899aabbccddeeff'])
  })

  it('aborts no more than uploads', async () => {
    await put('keep/me')
    for (const id of ['..', '../keep', '../../etc', '', '.', 'keep']) await store.abortUpload({ key: 'x', id })
    expect(await keysIn(store)).toEqual(['keep/me'])
    expect((await stat(dir)).isDirectory()).toBe(true)
  })

  it('leaves no empty folders behind, and survives that others delete beside it', async () => {
    const comeAndGo = async (number: number) => {
      for (let round = 0; round < 20; round++) {
        expect(await put(`shared/deep/${number}`)).toBe('created')
        expect(await store.delete(`shared/deep/${number}`)).toBe('deleted')
      }
    }
    await Promise.all([1, 2, 3, 4].map(comeAndGo))
    expect((await readdir(dir)).filter((name) => name !== '.uploads')).toEqual([])
  })

  it('says what stands in the way of a name', async () => {
    await put('a/file')
    await expect(put('a/file/below')).rejects.toMatchObject({ code: 'STORE_CONFLICT', object: 'a/file/below' })
    await expect(store.get('a')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await store.head('a')).toBeUndefined()
  })

  it('without write permission is denied, naming the object', async () => {
    // A place where nobody may create anything, root neither.
    const closed = await createFolderStore('/sys')
    await expect(closed.put('holdfast/x', body, { ifAbsent: true })).rejects.toMatchObject({ code: 'STORE_DENIED', object: 'holdfast/x' })
    await expect(closed.startUpload('holdfast/x')).rejects.toMatchObject({ code: 'STORE_DENIED', object: 'holdfast/x' })
  })

  it('is opened by its config', async () => {
    const opened = await openStore({ type: 'folder', path: dir })
    expect(opened.name).toBe(`folder:${dir}`)
    expect(await opened.put('x', body, { ifAbsent: true })).toBe('created')
    expect(await readAll(opened, 'x')).toEqual(body)
  })
})
