import { beforeEach, describe, expect, it } from 'vitest'
import type { Catalog } from '../../../src/catalog/catalog.ts'
import { dataPrefix, manifestKey, pointPrefix, reservationKey } from '../../../src/catalog/keys.ts'
import { createMemoryStore, type MemoryStore } from '../../../src/storage/memory.ts'
import type { Store } from '../../../src/storage/store.ts'
import { addPoint, catalogOn, keysIn, manifestOf, proofOf, putArtifact } from '../../support/catalog.ts'

const ID = '20251018_214530_manual'
const OTHER = '20251019_214530_manual'
const LATER = new Date('2100-01-01')
const below = (id: string) => keysIn(store, pointPrefix('orders', id))

let store: MemoryStore
let catalog: Catalog
beforeEach(() => {
  store = createMemoryStore()
  catalog = catalogOn(store)
})

async function fullPoint(id: string): Promise<void> {
  const artifacts = [await putArtifact(store, 'orders', id, 'database'), await putArtifact(store, 'orders', id, 'globals')]
  const { manifest, digest } = await catalog.publishManifest(manifestOf('orders', id, artifacts))
  await catalog.appendProof(proofOf(manifest, digest))
  await catalog.addHold({
    format: 'holdfast/v1',
    type: 'hold',
    source: 'orders',
    id,
    held: false,
    actor: 'ann',
    reason: 'x',
    at: '2026-01-01T00:00:00Z',
  })
}

/** Dies at the n-th delete, before its effect. */
function dyingAt(step: number): Store {
  let deletes = 0
  return {
    ...store,
    delete: async (key) => {
      if (++deletes === step) throw new Error('killed')
      return store.delete(key)
    },
  }
}

describe('deleting a point', () => {
  it('takes everything of it and nothing else, and may be repeated', async () => {
    await fullPoint(ID)
    await fullPoint(OTHER)
    const removed = await catalog.deletePoint('orders', ID)
    expect(removed.locked).toEqual([])
    expect(removed.deleted[0]).toBe(manifestKey('orders', ID))
    expect(removed.deleted).toHaveLength(5)
    expect(await below(ID)).toEqual([])
    expect(await below(OTHER)).toHaveLength(5)
    expect(await catalog.deletePoint('orders', ID)).toEqual({ deleted: [], locked: [] })
  })

  it('interrupted at any step never leaves a listed point without its data, and goes on when repeated', async () => {
    for (let step = 1; step <= 5; step++) {
      store = createMemoryStore()
      catalog = catalogOn(store)
      await fullPoint(ID)
      await expect(catalogOn(dyingAt(step)).deletePoint('orders', ID)).rejects.toThrow('killed')
      const listed = await catalog.listPoints('orders')
      const data = await keysIn(store, dataPrefix('orders', ID))
      expect({ step, listed: listed.length, whole: data.length === 2 }).toEqual({ step, listed: step === 1 ? 1 : 0, whole: step <= 2 })
      await catalog.deletePoint('orders', ID)
      expect(await below(ID)).toEqual([])
    }
  })

  it('keeps all of a point whose manifest is locked, and reports other locked objects', async () => {
    await fullPoint(ID)
    const [data = ''] = await keysIn(store, dataPrefix('orders', ID))
    store.locked.add(manifestKey('orders', ID)).add(data)
    expect(await catalog.deletePoint('orders', ID)).toEqual({ deleted: [], locked: [manifestKey('orders', ID)] })
    expect(await below(ID)).toHaveLength(5)
    store.locked.delete(manifestKey('orders', ID))
    expect(await catalog.deletePoint('orders', ID)).toMatchObject({ locked: [data] })
    expect(await below(ID)).toEqual([data])
    store.locked.clear()
    await catalog.sweepOrphans('orders', { olderThan: LATER, inUse: [] })
    expect(await below(ID)).toEqual([])
  })

  it('is refused while it is held', async () => {
    await addPoint(store, ID)
    await catalog.addHold({
      format: 'holdfast/v1',
      type: 'hold',
      source: 'orders',
      id: ID,
      held: true,
      actor: 'ann',
      reason: 'x',
      at: '2026-01-01T00:00:00Z',
    })
    await expect(catalog.deletePoint('orders', ID)).rejects.toMatchObject({ code: 'POINT_PROTECTED', object: ID })
    expect(await catalog.listPoints()).toHaveLength(1)
  })

  it('does not touch what a run is still writing', async () => {
    const id = await catalog.reserveId('orders', 'manual', new Date('2025-10-18T21:45:30Z'))
    await putArtifact(store, 'orders', id)
    await expect(catalog.deletePoint('orders', id)).rejects.toMatchObject({ code: 'NOT_FOUND', object: id })
    expect(await below(id)).toHaveLength(2)
  })
})

describe('discarding', () => {
  it('removes uploads, objects and the reservation of a run that did not publish', async () => {
    const id = await catalog.reserveId('orders', 'manual', new Date('2025-10-18T21:45:30Z'))
    await putArtifact(store, 'orders', id)
    await (await store.startUpload(`${dataPrefix('orders', id)}other.zst.age`)).part(1, Buffer.from('x'))
    await catalog.discard('orders', id)
    expect(await below(id)).toEqual([])
    for await (const pending of store.pendingUploads('')) expect.fail(`left: ${pending.key}`)
  })

  it('leaves a published point alone', async () => {
    await fullPoint(ID)
    expect(await catalog.discard('orders', ID)).toEqual({ deleted: [], locked: [] })
    expect(await below(ID)).toHaveLength(5)
  })
})

describe('sweeping', () => {
  const sweep = (inUse: string[] = [], olderThan = LATER) => catalog.sweepOrphans('orders', { olderThan, inUse })

  it('takes what runs left that died, and uploads that nobody completes; never a point', async () => {
    await fullPoint(OTHER)
    await putArtifact(store, 'orders', ID)
    await store.startUpload(`${dataPrefix('orders', ID)}a.zst.age`)
    await putArtifact(store, 'users', ID)
    const swept = await sweep()
    expect(swept).toMatchObject({
      deleted: [`${dataPrefix('orders', ID)}database.zst.age`],
      abortedUploads: [{ key: `${dataPrefix('orders', ID)}a.zst.age` }],
    })
    expect(await below(OTHER)).toHaveLength(5)
    expect(await keysIn(store, pointPrefix('users', ID))).toHaveLength(1)
  })

  it('leaves a run that is under way, and what is young, alone', async () => {
    await putArtifact(store, 'orders', ID)
    await store.startUpload(`${dataPrefix('orders', ID)}a.zst.age`)
    const nothing = { deleted: [], locked: [], abortedUploads: [] }
    expect(await sweep([ID])).toEqual(nothing)
    expect(await sweep([], new Date(Date.now() - 60_000))).toEqual(nothing)
  })

  it('leaves a point alone that was published since it looked', async () => {
    const artifact = await putArtifact(store, 'orders', ID)
    const late: Store = {
      ...store,
      head: async (key) => {
        if (key === manifestKey('orders', ID)) await catalog.publishManifest(manifestOf('orders', ID, [artifact]))
        return store.head(key)
      },
    }
    expect(await catalogOn(late).sweepOrphans('orders', { olderThan: LATER, inUse: [] })).toMatchObject({ deleted: [] })
    expect(await catalog.listPoints()).toHaveLength(1)
    expect(await keysIn(store, dataPrefix('orders', ID))).toHaveLength(1)
  })
})

describe('reserving an id', () => {
  const AT = new Date('2025-10-18T21:45:30Z')
  const reserve = (owner?: string) => catalog.reserveId('orders', 'manual', AT, owner)

  it('gives each run of one second its own', async () => {
    const ids = await Promise.all(Array.from({ length: 5 }, () => reserve()))
    expect(ids.sort()).toEqual([ID, ...[2, 3, 4, 5].map((number) => `${ID}_${number}`)])
  })

  it('gives a run that asks again the same', async () => {
    expect(await reserve('run-1')).toBe(ID)
    expect(await reserve('run-2')).toBe(`${ID}_2`)
    expect(await reserve('run-1')).toBe(ID)
  })

  it('never gives one that was published or is half deleted', async () => {
    await addPoint(store, ID)
    await putArtifact(store, 'orders', `${ID}_2`)
    expect(await reserve()).toBe(`${ID}_3`)
    expect(await store.head(reservationKey('orders', ID))).toBeUndefined()
  })

  it('gives it again after a discard', async () => {
    await catalog.discard('orders', await reserve())
    expect(await reserve()).toBe(ID)
  })
})
