import { beforeEach, describe, expect, it } from 'vitest'
import { canonicalBytes, digestOf } from '../../../src/catalog/canonical.ts'
import type { Catalog } from '../../../src/catalog/catalog.ts'
import { createCatalog } from '../../../src/catalog/catalog.ts'
import { dataPrefix, manifestKey, reservationKey } from '../../../src/catalog/keys.ts'
import { checkStored } from '../../../src/catalog/stored.ts'
import type { Manifest } from '../../../src/core/records.ts'
import { createMemoryStore, type MemoryStore } from '../../../src/storage/memory.ts'
import { createRetryingStore } from '../../../src/storage/retrying.ts'
import { readAll } from '../../../src/storage/store.ts'
import { catalogOn, addPoint, keysIn, manifestOf, putArtifact, signer, stranger, verifier } from '../../support/catalog.ts'
import { createFaultyStore } from '../../support/faulty.ts'

const ID = '20251018_214530_manual'
const OTHER = '20251019_214530_manual'
const KEY = manifestKey('orders', ID)

let store: MemoryStore
let catalog: Catalog
beforeEach(() => {
  store = createMemoryStore()
  catalog = catalogOn(store)
})
const pointWithArtifact = async (more: Partial<Manifest> = {}) => manifestOf('orders', ID, [await putArtifact(store, 'orders', ID)], more)

describe('a published manifest', () => {
  it('is read back with the digest of its bytes, and frees the reservation', async () => {
    const id = await catalog.reserveId('orders', 'manual', new Date('2025-10-18T21:45:30Z'))
    expect(id).toBe(ID)
    const manifest = await pointWithArtifact({ description: 'ünïcode', schemaVersion: 7, unknownToThisVersion: { kept: true } })
    const published = await catalog.publishManifest(manifest)
    const read = await catalog.readManifest('orders', ID)
    expect(read).toEqual(published)
    expect(read.manifest).toMatchObject(manifest)
    expect(read.digest).toBe(digestOf(await readAll(store, KEY)))
    expect(await store.head(reservationKey('orders', ID))).toBeUndefined()
  })

  it('may be published again by the same run, whatever the time is by now', async () => {
    const manifest = await pointWithArtifact()
    const first = await catalog.publishManifest(manifest)
    const again = await catalog.publishManifest({ ...manifest, completedAt: '2026-01-01T00:00:00Z' })
    expect(again.digest).toBe(first.digest)
  })

  it('is not replaced by another run', async () => {
    await catalog.publishManifest(await pointWithArtifact())
    const before = await readAll(store, KEY)
    await expect(catalog.publishManifest(await pointWithArtifact({ runId: 'another' }))).rejects.toMatchObject({
      code: 'STORE_CONFLICT',
      object: KEY,
    })
    expect(await readAll(store, KEY)).toEqual(before)
  })

  it('survives a lost reply, with retries and without', async () => {
    const faulty = createFaultyStore(store)
    faulty.failNext('put', 'lost reply')
    const patient = catalogOn(createRetryingStore(faulty, { firstPauseMs: 1 }))
    await patient.publishManifest(await pointWithArtifact())
    const impatient = catalogOn(faulty)
    faulty.failNext('put', 'lost reply')
    const manifest = manifestOf('orders', OTHER, [await putArtifact(store, 'orders', OTHER)])
    await expect(impatient.publishManifest(manifest)).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
    await impatient.publishManifest(manifest)
    expect((await catalog.listPoints()).map(({ id }) => id)).toEqual([ID, OTHER])
  })

  it('is not written over artifacts that are missing, cut or damaged', async () => {
    const manifest = await pointWithArtifact()
    const key = manifest.artifacts[0]?.key ?? ''
    const body = await readAll(store, key)
    const damaged = Buffer.from(body)
    damaged[0] = (damaged[0] ?? 0) ^ 1
    for (const change of [
      () => store.delete(key),
      async () => store.overwrite(key, body.subarray(1)),
      async () => store.overwrite(key, damaged),
    ]) {
      await change()
      await expect(catalog.publishManifest(manifest)).rejects.toMatchObject({
        code: 'INTEGRITY',
        object: KEY,
        message: expect.stringContaining(key),
      })
      expect(await store.head(KEY)).toBeUndefined()
    }
  })

  it('names artifacts of its own point only, and each part once', async () => {
    const own = await putArtifact(store, 'orders', ID)
    const foreign = await putArtifact(store, 'orders', OTHER)
    await expect(catalog.publishManifest(manifestOf('orders', ID, [foreign]))).rejects.toMatchObject({ code: 'INTEGRITY', object: KEY })
    await expect(catalog.publishManifest(manifestOf('orders', ID, [own, own]))).rejects.toMatchObject({ code: 'INTEGRITY', object: KEY })
  })

  it('needs a key to sign with, and the fields of a manifest', async () => {
    await expect(createCatalog({ store, verifier }).publishManifest(await pointWithArtifact())).rejects.toMatchObject({
      code: 'KEY_MISSING',
      next: expect.stringContaining('signing.privateKeyFile'),
    })
    await expect(catalog.publishManifest({ ...(await pointWithArtifact()), tags: undefined } as never)).rejects.toThrow(/tags/)
    expect(await keysIn(store, KEY)).toEqual([])
  })
})

describe('a manifest is refused, naming its key,', () => {
  const refused = (code: string) => expect(catalog.readManifest('orders', ID)).rejects.toMatchObject({ code, object: KEY })
  const altered = async (change: (json: Record<string, unknown>) => unknown) => {
    await addPoint(store, ID)
    store.overwrite(KEY, Buffer.from(JSON.stringify(change(JSON.parse(String(await readAll(store, KEY)))))))
  }

  it('when a field was altered', async () => {
    await altered((json) => ({ ...json, sizeBytes: 1 }))
    await refused('SIGNATURE_INVALID')
  })

  it('when an artifact was put in the place of another', async () => {
    const foreign = await putArtifact(store, 'orders', OTHER)
    await altered((json) => ({ ...json, artifacts: [foreign] }))
    await refused('SIGNATURE_INVALID')
  })

  it('when a stranger signed it, or nobody', async () => {
    const manifest = await pointWithArtifact()
    await catalogOn(store, stranger).publishManifest(manifest)
    await refused('SIGNATURE_INVALID')
    store.overwrite(KEY, canonicalBytes(manifest))
    await refused('SIGNATURE_INVALID')
  })

  it('when it is that of another point, however well signed', async () => {
    await addPoint(store, OTHER)
    store.overwrite(KEY, await readAll(store, manifestKey('orders', OTHER)))
    await refused('INTEGRITY')
  })

  it('when it is signed and names artifacts of another point', async () => {
    const foreign = await putArtifact(store, 'orders', OTHER)
    store.overwrite(KEY, canonicalBytes(signer.sign(manifestOf('orders', ID, [foreign]))))
    await refused('INTEGRITY')
  })

  it('when it is cut, no JSON or no manifest', async () => {
    await addPoint(store, ID)
    const whole = await readAll(store, KEY)
    for (const [bytes, code] of [
      [whole.subarray(0, 100), 'INTEGRITY'],
      [Buffer.alloc(0), 'INTEGRITY'],
      [Buffer.from('[]'), 'INTEGRITY'],
      [canonicalBytes(signer.sign({ some: 'thing' })), 'INTEGRITY'],
    ] as const) {
      store.overwrite(KEY, bytes)
      await refused(code)
    }
  })

  it('when there is none', async () => {
    await expect(catalog.readManifest('orders', ID)).rejects.toMatchObject({ code: 'NOT_FOUND', object: ID, next: 'holdfast list orders' })
    expect(await catalog.findManifest('orders', ID)).toBeUndefined()
    await expect(catalog.readManifest('orders', '../../etc')).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await expect(catalog.readManifest('index', ID)).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  })
})

it('artifacts that changed places are found by the store’s own checksums', async () => {
  const parts = [
    await putArtifact(store, 'orders', ID, 'one', Buffer.from('11')),
    await putArtifact(store, 'orders', ID, 'two', Buffer.from('22')),
  ]
  const { manifest } = await catalog.publishManifest(manifestOf('orders', ID, parts))
  expect((await checkStored(store, manifest)).every(({ ok }) => ok)).toBe(true)
  store.overwrite(`${dataPrefix('orders', ID)}one.zst.age`, Buffer.from('22'))
  store.overwrite(`${dataPrefix('orders', ID)}two.zst.age`, Buffer.from('11'))
  expect((await checkStored(store, manifest)).map(({ ok }) => ok)).toEqual([false, false])
})
