import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { canonicalBytes } from '../../../src/catalog/canonical.ts'
import { type Catalog, createCatalog } from '../../../src/catalog/catalog.ts'
import { indexPrefix, manifestKey } from '../../../src/catalog/keys.ts'
import { pointId } from '../../../src/core/ids.ts'
import { createMemoryStore, type MemoryStore } from '../../../src/storage/memory.ts'
import { readAll } from '../../../src/storage/store.ts'
import { addPoint, catalogOn, keysIn, manifestOf, proofOf, signer, stranger, verifier } from '../../support/catalog.ts'
import { createFaultyStore, type FaultyStore } from '../../support/faulty.ts'

const idOf = (number: number) => pointId(new Date(Date.UTC(2025, 0, 1) + number * 60_000), 'scheduled')
const MANY = 40

let store: MemoryStore
let counted: FaultyStore
let catalog: Catalog
beforeEach(() => {
  store = createMemoryStore()
  counted = createFaultyStore(store)
  catalog = catalogOn(counted)
})
const fill = async (count: number, from = 0) => {
  for (let number = from; number < from + count; number++) await addPoint(store, idOf(number))
}
/** Reads of a listing. */
const cost = async (list: () => Promise<unknown>) => {
  const before = { ...counted.calls }
  await list()
  return {
    get: counted.calls.get - before.get,
    list: counted.calls.list - before.list,
    head: counted.calls.head - before.head,
    put: counted.calls.put - before.put,
  }
}

describe('ten thousand points', () => {
  const big = createMemoryStore()
  beforeAll(async () => {
    for (let number = 0; number < 10_000; number++) {
      const id = idOf(number)
      await big.put(manifestKey('orders', id), canonicalBytes(signer.sign(manifestOf('orders', id, []))), { ifAbsent: true })
    }
    await catalogOn(big).rebuildIndex()
  })

  it('are listed with two listings and one read', async () => {
    counted = createFaultyStore(big)
    let points: { id: string }[] = []
    expect(
      await cost(async () => {
        points = await catalogOn(counted).listPoints()
      }),
    ).toEqual({ get: 1, list: 2, head: 0, put: 0 })
    expect(points).toHaveLength(10_000)
    expect(points.at(-1)?.id).toBe(idOf(9_999))
    expect(await cost(() => catalogOn(counted).listPoints('orders'))).toEqual({ get: 1, list: 2, head: 0, put: 0 })
  })
})

describe('the index', () => {
  it('is written by a listing once enough points are not in it, and spares the next one', async () => {
    await fill(MANY)
    const first = await catalog.listPoints()
    expect(await keysIn(store, indexPrefix)).toHaveLength(1)
    expect(await cost(() => catalog.listPoints())).toMatchObject({ get: 1 })
    expect(await catalog.listPoints()).toEqual(first)
  })

  it('rebuilt from nothing gives the same list', async () => {
    await fill(MANY)
    const { digest, manifest } = await catalog.readManifest('orders', idOf(3))
    await catalog.appendProof(proofOf(manifest, digest))
    await addPoint(store, idOf(3), { source: 'users' })
    const before = await catalog.listPoints()
    await catalog.listPoints('users')
    for (const key of await keysIn(store, indexPrefix)) await store.delete(key)
    expect((await catalog.rebuildIndex()).points).toEqual(before)
    expect(await catalog.listPoints()).toEqual(before)
    expect(before).toHaveLength(MANY + 1)
    expect(before.filter(({ good }) => good).map(({ id }) => id)).toEqual([idOf(3)])
  })

  it('never hides what changed since: new points, deleted ones, proofs and holds', async () => {
    await fill(MANY)
    await catalog.rebuildIndex()
    await addPoint(store, idOf(100))
    await catalog.deletePoint('orders', idOf(0))
    const { digest, manifest } = await catalog.readManifest('orders', idOf(1))
    await catalog.appendProof(proofOf(manifest, digest))
    await catalog.addHold({
      format: 'holdfast/v1',
      type: 'hold',
      source: 'orders',
      id: idOf(2),
      held: true,
      actor: 'ann',
      reason: 'x',
      at: '2026-01-01T00:00:00Z',
    })
    const points = await catalog.listPoints()
    expect(points).toHaveLength(MANY)
    expect(points[0]).toMatchObject({ id: idOf(1), good: true })
    expect(points[1]).toMatchObject({ id: idOf(2), held: true })
    expect(points.at(-1)).toMatchObject({ id: idOf(100) })
    expect(await cost(() => catalog.listPoints())).toMatchObject({ get: 1 + 3 + 2, put: 0 })
  })

  it('of one source is updated without losing the others', async () => {
    await fill(MANY)
    await catalog.rebuildIndex()
    for (let number = 0; number < MANY; number++) await addPoint(store, idOf(number), { source: 'users' })
    await catalog.listPoints('users')
    expect(await cost(() => catalog.listPoints())).toMatchObject({ get: 1 })
    expect(await catalog.listPoints()).toHaveLength(2 * MANY)
  })

  it('keeps three generations', async () => {
    for (let round = 0; round < 5; round++) await catalog.rebuildIndex()
    expect(await keysIn(store, indexPrefix)).toEqual([3, 4, 5].map((number) => `${indexPrefix}00000000000${number}.json`))
  })

  it('that was altered, planted or damaged is told and not used', async () => {
    await fill(3)
    await catalog.rebuildIndex()
    const [key = ''] = await keysIn(store, indexPrefix)
    const truth = await catalog.listPoints()
    const text = String(await readAll(store, key))
    const lies = text.replaceAll('"good":false', '"good":true')
    expect(lies).not.toBe(text)
    for (const bytes of [
      Buffer.from(lies),
      canonicalBytes(stranger.sign(JSON.parse(lies))),
      Buffer.from('{'),
      canonicalBytes(signer.sign({ ...JSON.parse(lies), number: 7 })),
    ]) {
      store.overwrite(key, bytes)
      const { points, problems } = await catalog.survey()
      expect(points).toEqual(truth)
      expect(problems).toMatchObject([{ key }])
    }
  })

  it('is not written by a worker that may only read', async () => {
    await fill(MANY)
    expect(await createCatalog({ store, verifier }).listPoints()).toHaveLength(MANY)
    counted.failNext('put', 'denied')
    expect(await catalog.listPoints()).toHaveLength(MANY)
    expect(await keysIn(store, indexPrefix)).toEqual([])
  })
})

describe('a planted or altered point', () => {
  it('is told each time, is not listed and does not keep the others from being listed', async () => {
    await fill(MANY)
    await addPoint(store, idOf(50), {}, catalogOn(store, stranger))
    store.overwrite(
      manifestKey('orders', idOf(5)),
      Buffer.from(String(await readAll(store, manifestKey('orders', idOf(5)))).replace('"sizeBytes":100', '"sizeBytes":999')),
    )
    for (let round = 0; round < 2; round++) {
      const { points, problems } = await catalog.survey()
      expect(points).toHaveLength(MANY - 1)
      expect(problems.map(({ key, code }) => [key, code])).toEqual(
        [5, 50].map((number) => [manifestKey('orders', idOf(number)), 'SIGNATURE_INVALID']),
      )
    }
  })

  it('whose proof cannot be trusted is told each time, with an index and without', async () => {
    await fill(MANY)
    const { digest, manifest } = await catalog.readManifest('orders', idOf(5))
    const key = await catalogOn(store, stranger).appendProof(proofOf(manifest, digest))
    await catalog.rebuildIndex()
    for (let round = 0; round < 2; round++) expect((await catalog.survey()).problems).toMatchObject([{ key, code: 'SIGNATURE_INVALID' }])
    expect(await cost(() => catalog.listPoints())).toMatchObject({ get: 1 + 2, put: 0 })
  })

  it('that was altered after it was indexed is seen, though its size stays the same', async () => {
    await fill(MANY)
    await catalog.rebuildIndex()
    await new Promise((resolve) => setTimeout(resolve, 5))
    store.overwrite(
      manifestKey('orders', idOf(5)),
      Buffer.from(String(await readAll(store, manifestKey('orders', idOf(5)))).replace('"sizeBytes":100', '"sizeBytes":999')),
    )
    expect((await catalog.survey()).problems).toMatchObject([{ key: manifestKey('orders', idOf(5)) }])
  })
})
