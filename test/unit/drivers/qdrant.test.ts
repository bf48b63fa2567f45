import { describe, expect, it } from 'vitest'
import { createUnorderedDigest } from '../../../src/drivers/common/unordered-digest.ts'
import { canonicalJson, parseJson, pointOf } from '../../../src/drivers/qdrant/canonical.ts'
import { selected } from '../../../src/drivers/qdrant/collections.ts'
import { isNear } from '../../../src/drivers/qdrant/sample.ts'
import { scroll } from '../../../src/drivers/qdrant/scroll.ts'
import type { Server } from '../../../src/drivers/qdrant/server.ts'
import { requirePromised, requireTakes } from '../../../src/drivers/qdrant/versions.ts'
import type { Manifest } from '../../../src/core/records.ts'

describe('a point as text', () => {
  it('is the same whatever the order of keys, of the names of vectors and of the pairs of a sparse one', () => {
    const one = { id: 1, payload: { b: 1, a: [{ d: 1, c: 2 }] }, vector: { y: [1, 2], x: { indices: [9, 3], values: [0.9, 0.3] } } }
    const other = { vector: { x: { values: [0.3, 0.9], indices: [3, 9] }, y: [1, 2] }, payload: { a: [{ c: 2, d: 1 }], b: 1 }, id: 1 }
    expect(canonicalJson(pointOf(one))).toBe(canonicalJson(pointOf(other)))
    expect(canonicalJson(pointOf({ ...one, vector: { y: [2, 1] } }))).not.toBe(canonicalJson(pointOf({ ...one, vector: { y: [1, 2] } })))
  })

  it('keeps every digit of numbers of 64 bits, and keys that mean something to JavaScript', () => {
    const text = '{"__proto__":{"a":1},"constructor":2,"n":[18446744073709551615,-9223372036854775808,0.1]}'
    expect(canonicalJson(parseJson(text))).toBe(text)
  })

  it('has no payload and an empty one for the same', () => {
    expect(canonicalJson(pointOf({ id: 1, payload: null }))).toBe(
      canonicalJson(pointOf({ id: 1, payload: {}, vector: {}, shard_key: null })),
    )
  })
})

describe('a digest without order', () => {
  const of = (...entries: string[]) => {
    const digest = createUnorderedDigest()
    for (const entry of entries) digest.add(entry)
    return digest.hex()
  }
  it('is the same in any order, and another one for another number of the same entry', () => {
    expect(of('a', 'b', 'c')).toBe(of('c', 'a', 'b'))
    expect(new Set([of(), of('a'), of('a', 'a'), of('a', 'b'), of('ab')]).size).toBe(5)
    expect(of()).toMatch(/^0{64}$/)
  })
})

it('vectors are near within the last digits of a single float, and not beyond', () => {
  expect(isNear({ a: [0.6, 0.8] }, { a: [0.6 + 5e-7, 0.8] })).toBe(true)
  expect(isNear({ a: [0.6, 0.8] }, { a: [0.6 + 5e-6, 0.8] })).toBe(false)
  expect(isNear({ a: [1000] }, { a: [1000.0005] })).toBe(true)
  expect(isNear({ a: [1] }, { a: [1], b: [1] })).toBe(false)
  expect(isNear({ a: [1] }, { b: [1] })).toBe(false)
})

it('asks for fewer points at once where they are large, and for as many as it may where they are small', async () => {
  const limits: number[] = []
  let size = 0
  let served = 0
  const scrollPoints = ({ limit }: { limit: number }) => {
    limits.push(limit)
    const points = Array.from({ length: limit }, (_, n) => ({ id: served + n, payload: { text: 'x'.repeat(size) } }))
    served += limit
    return { points, next_page_offset: served < 5000 ? served : null }
  }
  const server = { ask: async (_: string, request: (api: unknown) => unknown) => request({ scrollPoints }) } as unknown as Server
  const all = async (bytes: number) => {
    limits.length = 0
    served = 0
    size = bytes
    let count = 0
    for await (const _ of scroll(server, { collection: 'c', batchSize: 1000 })) count += 1
    return count
  }
  expect(await all(10)).toBe(served)
  expect(limits.slice(0, 4)).toEqual([16, 128, 1000, 1000])
  expect(await all(100_000)).toBe(served)
  expect(Math.max(...limits)).toBeLessThan(90)
})

it('a collection is chosen by its own name or by an alias, and left out by either; what Holdfast makes never is one', () => {
  const names = ['docs_v1', 'docs_v2', 'tmp_1', 'holdfast_scratch_x']
  const aliases = [{ alias_name: 'docs', collection_name: 'docs_v2' }]
  const chosen = (include: string[], exclude: string[] = []) => selected({ collections: { include, exclude } }, names, aliases)
  expect(chosen(['*'])).toEqual(['docs_v1', 'docs_v2', 'tmp_1'])
  expect(chosen(['docs'])).toEqual(['docs_v2'])
  expect(chosen(['*'], ['tmp_*', 'docs'])).toEqual(['docs_v1'])
  expect(chosen(['docs_v?'])).toEqual([])
})

it.each([
  ['1.19.0', '1.19.0', true, true],
  ['1.19.0', '1.19.2', true, true],
  ['1.19.2', '1.19.0', false, false],
  ['1.19.0', '1.20.0', true, false],
  ['1.19.3', '1.18.9', false, false],
  ['1.19.0', '2.0.0', true, false],
])('snapshots of %s on %s: tried %s, over live data %s', (had, has, tried, promised) => {
  const manifest = { id: 'p', versions: { qdrant: had } } as unknown as Manifest
  const takes = (require: typeof requireTakes) => {
    try {
      require(manifest, has, 'http://q')
      return true
    } catch {
      return false
    }
  }
  expect([takes(requireTakes), takes(requirePromised)]).toEqual([tried, promised])
})
