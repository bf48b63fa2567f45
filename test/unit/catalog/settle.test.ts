import { beforeEach, expect, it } from 'vitest'
import type { Catalog } from '../../../src/catalog/catalog.ts'
import { dataPrefix, manifestKey, pointPrefix, reservationKey } from '../../../src/catalog/keys.ts'
import { stage } from '../../../src/catalog/staged.ts'
import type { Staged } from '../../../src/catalog/staged.ts'
import { createMemoryStore, type MemoryStore } from '../../../src/storage/memory.ts'
import { catalogOn, keysIn, manifestOf, proofOf, putArtifact } from '../../support/catalog.ts'

const AT = new Date('2025-10-18T21:45:30Z')
const ID = '20251018_214530_manual'
const below = () => keysIn(store, pointPrefix('orders', ID))
const uploads = async () => {
  const found: string[] = []
  for await (const { key } of store.pendingUploads(pointPrefix('orders', ID))) found.push(key)
  return found
}

let store: MemoryStore
let catalog: Catalog
beforeEach(async () => {
  store = createMemoryStore()
  catalog = catalogOn(store)
  await catalog.reserveId('orders', 'manual', AT, 'run')
})

/** All that a try may leave: an object, an upload, the record of its capture. */
async function leave(attempt: number): Promise<void> {
  const key = `${dataPrefix('orders', ID)}database.${attempt}.zst.age`
  await store.put(key, Buffer.from('of another try'), { ifAbsent: false })
  await store.startUpload(`${key}.more`)
  await stage(store, { source: 'orders', id: ID, attempt }, { artifacts: [] } as unknown as Staged)
}

async function publish(): Promise<string[]> {
  const artifact = await putArtifact(store, 'orders', ID)
  const { manifest, digest } = await catalog.publishManifest(manifestOf('orders', ID, [artifact]))
  const proof = await catalog.appendProof(proofOf(manifest, digest))
  return [artifact.key, manifestKey('orders', ID), proof].sort()
}

it('below a published point stays what its manifest names, and what was said of it', async () => {
  await leave(2)
  const whole = await publish()
  await catalog.settle('orders', ID)
  expect(await below()).toEqual(whole)
  expect(await uploads()).toEqual([])
})

it('a try that writes on after its run was published takes back what it wrote', async () => {
  const whole = await publish()
  await catalog.settle('orders', ID)
  await leave(1)
  await catalog.settle('orders', ID)
  expect(await below()).toEqual(whole)
  expect(await uploads()).toEqual([])
})

it('a try that writes on after its run was given up leaves nothing', async () => {
  await catalog.discard('orders', ID)
  await leave(1)
  await catalog.settle('orders', ID)
  expect(await below()).toEqual([])
  expect(await uploads()).toEqual([])
})

it('a run under way is not touched, whoever looks', async () => {
  await leave(1)
  const before = await below()
  expect(await catalog.settle('orders', ID)).toEqual({ deleted: [], locked: [] })
  expect(await below()).toEqual(before)
  expect(before).toContain(reservationKey('orders', ID))
  expect(await uploads()).toHaveLength(1)
})
