/** Archived files in a second repository: the same there, fetched from there, and never half of one. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { createMemoryStore, type MemoryStore } from '../../../src/storage/memory.ts'
import { readAll, type Store } from '../../../src/storage/store.ts'
import { heldIn } from '../../../src/wal/contents.ts'
import { copyWal } from '../../../src/wal/copy.ts'
import { fetchWal } from '../../../src/wal/fetch.ts'
import { parseWalName, recordKeyOf } from '../../../src/wal/names.ts'
import { pushWal } from '../../../src/wal/push.ts'
import { type ArchiveUnderTest, createArchive } from '../../support/archive.ts'
import { keysIn, stranger } from '../../support/catalog.ts'

const NAMES = ['1-10.wal', '11-20.wal', '21-30.wal']
let under: ArchiveUnderTest
let from: MemoryStore
let to: MemoryStore
beforeAll(async () => {
  under = await createArchive()
})
afterAll(() => under.destroy())
beforeEach(async () => {
  from = createMemoryStore()
  to = createMemoryStore()
  for (const name of NAMES) await pushWal(under.on(from), await under.file(name, `content of ${name}`))
})
const copy = (names = NAMES, into: Store = to) => copyWal(under.on(from), into, names, {})
const held = async () => (await heldIn({ archive: 'shop', store: to })).held.map(({ name }) => name)

it('what was named is there byte for byte, and is fetched from there', async () => {
  const copied = await copy(NAMES.slice(1))
  expect(copied).toMatchObject({ segments: 2, bytes: expect.any(Number) })
  expect(await held()).toEqual(['11-20.wal', '21-30.wal'])
  for (const key of await keysIn(to)) expect((await readAll(to, key)).equals(await readAll(from, key))).toBe(true)
  const path = join(under.dir, 'fetched')
  await fetchWal(under.on(to), '11-20.wal', path)
  expect(await readFile(path, 'utf8')).toBe('content of 11-20.wal')
})

it('a second time nothing changes', async () => {
  await copy()
  const before = await keysIn(to)
  await copy()
  expect(await keysIn(to)).toEqual(before)
})

it('killed before any of its writes it leaves nothing that is taken for archived, and the next one brings the rest', async () => {
  for (let calls = 0; calls < 6; calls += 1) {
    to = createMemoryStore()
    let left = calls
    const die = () => {
      if (left-- <= 0) throw new Error('killed')
    }
    const put: Store['put'] = async (...args) => {
      die()
      return to.put(...args)
    }
    const startUpload: Store['startUpload'] = async (key) => {
      die()
      return to.startUpload(key)
    }
    await expect(copy(NAMES, { ...to, put, startUpload })).rejects.toThrow('killed')
    for (const name of await held()) await fetchWal(under.on(to), name, join(under.dir, `fetched-${calls}`))
    await copy()
    expect(await held()).toEqual(NAMES)
  }
})

it('a damaged file and a record of a stranger are not brought, and named; they keep no other from its copy', async () => {
  const [key = ''] = (await keysIn(from)).filter((one) => one.includes('/11-20.wal/') && !one.endsWith('wal.json'))
  const body = await readAll(from, key)
  body[0] = (body[0] ?? 0) ^ 1
  from.overwrite(key, body)
  await pushWal({ ...under.on(from), signer: stranger }, await under.file('31-40.wal', 'planted')).catch(() => {})
  const copied = await copy([...NAMES, '31-40.wal'])
  expect(copied).toMatchObject({ segments: 2 })
  expect(copied.unsound.sort((a, b) => (a.name < b.name ? -1 : 1))).toEqual([
    { name: '11-20.wal', message: expect.stringContaining(key) },
    { name: '31-40.wal', message: expect.stringContaining('not to be trusted') },
  ])
  expect(await held()).toEqual(['1-10.wal', '21-30.wal'])
})

it('another record that stands there is kept', async () => {
  const key = recordKeyOf('shop', parseWalName('1-10.wal'))
  await to.put(key, Buffer.from('another'), { ifAbsent: true })
  await expect(copy(['1-10.wal'])).rejects.toMatchObject({ code: 'STORE_CONFLICT', object: key })
  expect(String(await readAll(to, key))).toBe('another')
})
