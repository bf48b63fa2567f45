/** Files of an archive whose record is of no use: told from those that are gone, and from a store that does not answer. */
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { HoldfastError } from '../../../src/core/errors.ts'
import { createMemoryStore, type MemoryStore } from '../../../src/storage/memory.ts'
import { readAll, type Store } from '../../../src/storage/store.ts'
import { parseWalName, recordKeyOf } from '../../../src/wal/names.ts'
import { pushWal } from '../../../src/wal/push.ts'
import { unreadableOf } from '../../../src/wal/unreadable.ts'
import { type ArchiveUnderTest, createArchive } from '../../support/archive.ts'

const NAMES = ['1-10.wal', '11-20.wal', '21-30.wal']
const keyOf = (name: string) => recordKeyOf('shop', parseWalName(name))
let under: ArchiveUnderTest
let store: MemoryStore
beforeAll(async () => {
  under = await createArchive()
})
afterAll(() => under.destroy())
beforeEach(async () => {
  store = createMemoryStore()
  for (const name of NAMES) await pushWal(under.on(store), await under.file(name, name))
})

it('the record of another file in its place is named, and one that was removed meanwhile is not', async () => {
  expect(await unreadableOf(under.on(store), NAMES)).toEqual([])
  store.overwrite(keyOf('11-20.wal'), await readAll(store, keyOf('1-10.wal')))
  await store.delete(keyOf('21-30.wal'))
  expect(await unreadableOf(under.on(store), NAMES)).toMatchObject([{ name: '11-20.wal', key: keyOf('11-20.wal'), code: 'INTEGRITY' }])
})

it('a store that does not answer is trouble, and no record that cannot be read', async () => {
  const get: Store['get'] = async (key, options) => {
    if (key === keyOf('21-30.wal')) throw new HoldfastError('STORE_UNREACHABLE', 'no answer', { object: key })
    return store.get(key, options)
  }
  await expect(unreadableOf(under.on({ ...store, get }), NAMES)).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
})

it('ends where it is stopped', async () => {
  await expect(unreadableOf(under.on(store), NAMES, AbortSignal.abort())).rejects.toThrow()
})
