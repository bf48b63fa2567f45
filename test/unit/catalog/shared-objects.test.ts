/** An incremental point whose artifacts are partly those of the point before it. */
import { beforeEach, expect, it } from 'vitest'
import { dataPrefix, manifestKey } from '../../../src/catalog/keys.ts'
import { createMemoryStore, type MemoryStore } from '../../../src/storage/memory.ts'
import type { Store } from '../../../src/storage/store.ts'
import { catalogOn, keysIn, manifestOf, putArtifact, stranger } from '../../support/catalog.ts'

const FULL = '20251018_214530_manual'
const NEXT = '20251019_214530_incremental'
const LATER = new Date('2100-01-01')

let store: MemoryStore
beforeEach(async () => {
  store = createMemoryStore()
  await catalogOn(store).publishManifest(manifestOf('orders', FULL, [await putArtifact(store, 'orders', FULL, 'a')]))
})

async function incremental(parents: string[]) {
  const { artifacts } = (await catalogOn(store).readManifest('orders', FULL)).manifest
  return manifestOf('orders', NEXT, [...artifacts, await putArtifact(store, 'orders', NEXT, 'b')], { parents })
}

it('is published with objects of a point that it says it needs, and of no other', async () => {
  const catalog = catalogOn(store)
  await expect(catalog.publishManifest(await incremental([]))).rejects.toMatchObject({ code: 'INTEGRITY' })
  await catalog.publishManifest(await incremental([FULL]))
  expect((await catalog.readManifest('orders', NEXT)).manifest.artifacts).toHaveLength(2)
})

it('keeps the point that it needs from being deleted until it has gone itself', async () => {
  const catalog = catalogOn(store)
  await catalog.publishManifest(await incremental([FULL]))
  await expect(catalog.deletePoint('orders', FULL)).rejects.toMatchObject({ code: 'POINT_PROTECTED', object: FULL })
  await catalog.deletePoint('orders', NEXT)
  await catalog.deletePoint('orders', FULL)
  expect(await keysIn(store, 'holdfast/v1/orders/')).toEqual([])
})

it('keeps it for one that cannot be trusted, too: with the key that signed it put back it is a point again', async () => {
  await catalogOn(store, stranger).publishManifest(await incremental([FULL]))
  const catalog = catalogOn(store)
  expect((await catalog.listPoints('orders')).map(({ id }) => id)).toEqual([FULL])
  await expect(catalog.deletePoint('orders', FULL)).rejects.toMatchObject({
    code: 'POINT_PROTECTED',
    message: `${FULL} is needed by ${NEXT}`,
  })
  expect(await keysIn(store, dataPrefix('orders', FULL))).toHaveLength(1)
  await store.delete(manifestKey('orders', NEXT))
  await store.put(manifestKey('orders', NEXT), Buffer.from('{"parents": "none"'), { ifAbsent: true })
  await catalog.deletePoint('orders', FULL)
  expect(await keysIn(store, dataPrefix('orders', FULL))).toEqual([])
})

it('published while the other is being deleted, it finds it again: the manifest goes back, no object has gone', async () => {
  const manifest = await incremental([FULL])
  const racing: Store = {
    ...store,
    async delete(key) {
      const outcome = await store.delete(key)
      if (key === manifestKey('orders', FULL)) await catalogOn(store).publishManifest(manifest)
      return outcome
    },
  }
  await expect(catalogOn(racing).deletePoint('orders', FULL)).rejects.toMatchObject({ code: 'POINT_PROTECTED' })
  expect((await catalogOn(store).listPoints('orders')).map(({ id }) => id)).toEqual([FULL, NEXT])
  expect(await keysIn(store, dataPrefix('orders', FULL))).toHaveLength(1)
})

it('keeps the objects of a point whose deletion was cut short, from a repeated deletion and from a sweep', async () => {
  const catalog = catalogOn(store)
  await catalog.publishManifest(await incremental([FULL]))
  await store.delete(manifestKey('orders', FULL))
  await expect(catalog.deletePoint('orders', FULL)).rejects.toMatchObject({ code: 'POINT_PROTECTED' })
  await catalog.sweepOrphans('orders', { olderThan: LATER, inUse: [] })
  expect(await keysIn(store, dataPrefix('orders', FULL))).toHaveLength(1)
  await catalog.deletePoint('orders', NEXT)
  await catalog.sweepOrphans('orders', { olderThan: LATER, inUse: [] })
  expect(await keysIn(store, 'holdfast/v1/orders/')).toEqual([])
})
