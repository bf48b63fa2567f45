/** Stores that are read as one: what the first lacks is taken from the next, and what a store fails with is not taken for that. */
import { expect, it } from 'vitest'
import { HoldfastError } from '../../../src/core/errors.ts'
import { createMemoryStore, type MemoryStore } from '../../../src/storage/memory.ts'
import { readAll } from '../../../src/storage/store.ts'
import { readTogether } from '../../../src/storage/together.ts'

async function holding(...keys: string[]): Promise<MemoryStore> {
  const store = createMemoryStore()
  for (const key of keys) await store.put(key, Buffer.from(key.repeat(keys.length)), { ifAbsent: true })
  return store
}

it('lists what any of them has in key order, each once, and reads it from the first that has it', async () => {
  const both = readTogether([await holding('b', 'd'), await holding('a', 'b', 'c')])
  const listed: string[] = []
  for await (const { key, size } of both.list('')) listed.push(`${key} ${size}`)
  expect(listed).toEqual(['a 3', 'b 2', 'c 3', 'd 2'])
  expect((await readAll(both, 'b')).toString()).toBe('bb')
  expect((await readAll(both, 'c')).toString()).toBe('ccc')
  expect(await both.head('a')).toMatchObject({ key: 'a', size: 3 })
})

it('has what none has nowhere', async () => {
  const both = readTogether([await holding('a'), await holding()])
  expect(await both.head('z')).toBeUndefined()
  await expect(readAll(both, 'z')).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

it('fails where one of them fails: what stands there would decide', async () => {
  const away = { ...(await holding('a')), get: () => Promise.reject(new HoldfastError('STORE_UNREACHABLE', 'away')) }
  await expect(readAll(readTogether([away, await holding('a')]), 'a')).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
})
