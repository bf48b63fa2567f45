/** A publish that was frozen and thaws after its run was given up: whatever the moment, no point without data is listed. */
import { beforeEach, describe, expect, it } from 'vitest'
import { dataPrefix, manifestKey } from '../../../src/catalog/keys.ts'
import type { Manifest } from '../../../src/core/records.ts'
import { createMemoryStore, type MemoryStore } from '../../../src/storage/memory.ts'
import type { Store } from '../../../src/storage/store.ts'
import { catalogOn, keysIn, manifestOf, putArtifact } from '../../support/catalog.ts'

const ID = '20251018_214530_manual'
const KEY = manifestKey('orders', ID)
const PARTS = ['database', 'globals']

let store: MemoryStore
let manifest: Manifest
beforeEach(async () => {
  store = createMemoryStore()
  await catalogOn(store).reserveId('orders', 'manual', new Date('2025-10-18T21:45:30Z'))
  manifest = manifestOf('orders', ID, await Promise.all(PARTS.map((part) => putArtifact(store, 'orders', ID, part))))
})
const discard = () => catalogOn(store).discard('orders', ID)

/** The same store to somebody who is frozen before the n-th call, while `meanwhile` happens. */
function frozenBefore(step: number, meanwhile: () => Promise<unknown>): { store: Store; calls: () => number } {
  let calls = 0
  const next = async () => {
    if (++calls === step) await meanwhile()
  }
  const slow: Store = {
    ...store,
    async *list(prefix) {
      await next()
      yield* store.list(prefix)
    },
    head: (key) => next().then(() => store.head(key)),
    put: (key, body, options) => next().then(() => store.put(key, body, options)),
    delete: (key) => next().then(() => store.delete(key)),
  }
  return { store: slow, calls: () => calls }
}
/** Frozen right before the manifest is put, as the worst of moments is. */
const frozenBeforePut = (): Store => ({
  ...store,
  put: async (key, body, options) => {
    if (key === KEY) await discard()
    return store.put(key, body, options)
  },
})
async function expectHonest(step: number): Promise<void> {
  const listed = await catalogOn(store).listPoints('orders')
  const data = await keysIn(store, dataPrefix('orders', ID))
  if (listed.length > 0) expect({ step, parts: data.length }).toEqual({ step, parts: PARTS.length })
}

describe('a manifest that is put after its objects were discarded', () => {
  it('is withdrawn at once, and the try fails naming what is missing', async () => {
    await expect(catalogOn(frozenBeforePut()).publishManifest(manifest)).rejects.toMatchObject({
      code: 'INTEGRITY',
      object: KEY,
      message: expect.stringMatching(/it was withdrawn: .*database.*no object/),
    })
    expect(await store.head(KEY)).toBeUndefined()
    expect(await catalogOn(store).listPoints('orders')).toEqual([])
  })

  it('says so where the store has locked it already', async () => {
    store.locked.add(KEY)
    await expect(catalogOn(frozenBeforePut()).publishManifest(manifest)).rejects.toMatchObject({
      code: 'INTEGRITY',
      message: expect.stringContaining('could not be withdrawn'),
      next: expect.stringContaining(`never restore ${ID}`),
    })
  })

  it('is not even put by a try that learns in time that it was given up', async () => {
    const stillWanted = async () => {
      throw new Error('given up')
    }
    await expect(catalogOn(store).publishManifest(manifest, { stillWanted })).rejects.toThrow('given up')
    expect(await store.head(KEY)).toBeUndefined()
  })
})

describe('no point without data is listed, wherever', () => {
  it('the publish was frozen while the discard went by', async () => {
    let reached = 0
    for (let step = 1; reached === step - 1; step++) {
      store = createMemoryStore()
      for (const part of PARTS) await putArtifact(store, 'orders', ID, part)
      const frozen = frozenBefore(step, discard)
      await catalogOn(frozen.store)
        .publishManifest(manifest)
        .catch((error: unknown) => expect(error).toMatchObject({ code: 'INTEGRITY' }))
      if (frozen.calls() >= step) reached = step
      await expectHonest(step)
    }
    expect(reached).toBeGreaterThan(4)
  })

  it('the discard was, while the publish went by', async () => {
    let reached = 0
    for (let step = 1; reached === step - 1; step++) {
      store = createMemoryStore()
      await catalogOn(store).reserveId('orders', 'manual', new Date('2025-10-18T21:45:30Z'))
      for (const part of PARTS) await putArtifact(store, 'orders', ID, part)
      const publish = () =>
        catalogOn(store)
          .publishManifest(manifest)
          .catch((error: unknown) => expect(error).toMatchObject({ code: 'INTEGRITY' }))
      const frozen = frozenBefore(step, publish)
      await catalogOn(frozen.store).discard('orders', ID)
      if (frozen.calls() >= step) reached = step
      await expectHonest(step)
    }
    expect(reached).toBeGreaterThan(4)
  })
})

it('a publish that an earlier try of the same run had done is not withdrawn', async () => {
  await catalogOn(store).publishManifest(manifest)
  await catalogOn(store).publishManifest(manifest)
  expect(await catalogOn(store).listPoints('orders')).toHaveLength(1)
})
