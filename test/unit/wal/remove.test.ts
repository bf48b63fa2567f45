/** Archived files that go: oldest first, their record before their content; what was killed in between is taken away later. */
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { createMemoryStore, type MemoryStore } from '../../../src/storage/memory.ts'
import type { Store } from '../../../src/storage/store.ts'
import { heldIn } from '../../../src/wal/contents.ts'
import { parseWalName, recordKeyOf } from '../../../src/wal/names.ts'
import { pushWal } from '../../../src/wal/push.ts'
import { removeUnrecorded, removeWal } from '../../../src/wal/remove.ts'
import { type ArchiveUnderTest, createArchive } from '../../support/archive.ts'
import { keysIn } from '../../support/catalog.ts'

const NAMES = ['1-10.wal', '11-20.wal', '21-30.wal']
const DAY = 86_400_000
let under: ArchiveUnderTest
let store: MemoryStore
/** When the store believes it is. */
let now: Date
beforeAll(async () => {
  under = await createArchive()
})
afterAll(() => under.destroy())
beforeEach(async () => {
  now = new Date(Date.now() - 40 * DAY)
  store = createMemoryStore({ now: () => now })
  for (const name of NAMES) await pushWal(under.on(store), await under.file(name, name))
  await pushWal(under.on(store, 'other'), await under.file('1-10.wal', 'of another'))
})
const held = async () => (await heldIn({ archive: 'shop', store })).held
const remove = async (names: string[], on: Store = store) => {
  const files = await held()
  return removeWal(
    { archive: 'shop', store: on },
    files.filter(({ name }) => names.includes(name)),
  )
}

it('what was named goes whole, and nothing else', async () => {
  const others = await keysIn(store, 'holdfast/wal/v1/other/')
  expect(await remove(['1-10.wal', '11-20.wal'])).toBeUndefined()
  expect((await held()).map(({ name }) => name)).toEqual(['21-30.wal'])
  expect(await keysIn(store, 'holdfast/wal/v1/shop/')).toHaveLength(2)
  expect(await keysIn(store, 'holdfast/wal/v1/other/')).toEqual(others)
})

it('what is locked ends it, so that nothing behind it goes, and is named', async () => {
  store.locked.add(recordKeyOf('shop', parseWalName('11-20.wal')))
  expect(await remove(NAMES)).toBe('11-20.wal')
  expect((await held()).map(({ name }) => name)).toEqual(['11-20.wal', '21-30.wal'])
})

it('killed before any of its deletes, what is archived is the new end of the log, and the next one takes the rest', async () => {
  const before = (await keysIn(store, 'holdfast/wal/v1/shop/')).length
  for (let calls = 0; calls < before; calls += 1) {
    let left = calls
    const dying: Store = {
      ...store,
      delete: async (key) => {
        if (left-- === 0) throw new Error('killed')
        return store.delete(key)
      },
    }
    await expect(remove(NAMES, dying)).rejects.toThrow('killed')
    const there = (await held()).map(({ name }) => name)
    expect(there).toEqual(NAMES.slice(NAMES.length - there.length))
    const { unrecorded } = await heldIn({ archive: 'shop', store })
    await removeUnrecorded({ store }, unrecorded, new Date())
    expect(await keysIn(store, 'holdfast/wal/v1/shop/')).toHaveLength(2 * there.length)
    for (const name of NAMES) await pushWal(under.on(store), await under.file(name, name))
  }
})

it('what has no record stays while a push may be at it, and while it is younger than the rule', async () => {
  for (const name of NAMES) await store.delete(recordKeyOf('shop', parseWalName(name)))
  const { unrecorded } = await heldIn({ archive: 'shop', store })
  expect(unrecorded).toHaveLength(3)
  const sweep = (before: Date) => removeUnrecorded({ store }, unrecorded, before)
  await sweep(new Date(Date.now() - 41 * DAY))
  now = new Date()
  await pushWal(under.on(store), await under.file('31-40.wal', 'x'))
  await store.delete(recordKeyOf('shop', parseWalName('31-40.wal')))
  const { unrecorded: all } = await heldIn({ archive: 'shop', store })
  expect(all).toHaveLength(4)
  await removeUnrecorded({ store }, all, new Date(Date.now() + DAY))
  expect((await heldIn({ archive: 'shop', store })).unrecorded.map(({ name }) => name)).toEqual(['31-40.wal'])
})
