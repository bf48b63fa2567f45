import { beforeEach, describe, expect, it } from 'vitest'
import { createCatalog } from '../../../src/catalog/catalog.ts'
import { manifestKey } from '../../../src/catalog/keys.ts'
import { createSigner, createVerifier, generateSigningKey } from '../../../src/catalog/signing.ts'
import { createMemoryStore, type MemoryStore } from '../../../src/storage/memory.ts'
import { addPoint, proofOf } from '../../support/catalog.ts'

const OLD = { keyId: 'key-2026', ...generateSigningKey() }
const NEW = { keyId: 'key-2027', ...generateSigningKey() }
const BEFORE = '20260102_030405_scheduled'
const AFTER = '20270102_030405_scheduled'
const WRITER = 'worker-1'
const EVIDENCE = { at: '2026-01-02T03:04:05Z', workflow: 'backup', workflowId: 'backup/orders', outcome: 'ok', report: {} }

type Key = typeof OLD
const publicKeys = (...keys: Key[]) => createVerifier(Object.fromEntries(keys.map(({ keyId, publicKey }) => [keyId, publicKey])))
let store: MemoryStore
const worker = (signing: Key, ...trusted: Key[]) =>
  createCatalog({ store, signer: createSigner(signing), verifier: publicKeys(...trusted) })

/** A proved and held point of the old key; then the key is rotated, and a point of the new one comes. */
beforeEach(async () => {
  store = createMemoryStore()
  const former = worker(OLD, OLD)
  await addPoint(store, BEFORE, {}, former)
  const { manifest, digest } = await former.readManifest('orders', BEFORE)
  await former.appendProof(proofOf(manifest, digest))
  await former.appendEvidence(WRITER, { ...EVIDENCE, runId: 'before' })
  await former.rebuildIndex()
  const present = worker(NEW, OLD, NEW)
  await addPoint(store, AFTER, {}, present)
  await present.appendEvidence(WRITER, { ...EVIDENCE, runId: 'after' })
})

describe('after a rotation of the signing key', () => {
  it('what the old key signed is verified by it, also by a worker that signs with the new one', async () => {
    const present = worker(NEW, OLD, NEW)
    const { points, problems } = await present.survey()
    expect([points.map(({ id, good, signers }) => ({ id, good, signers })), problems]).toEqual([
      [
        { id: BEFORE, good: true, signers: ['key-2026'] },
        { id: AFTER, good: false, signers: ['key-2027'] },
      ],
      [],
    ])
    expect((await present.readManifest('orders', BEFORE)).manifest.signature?.keyId).toBe('key-2026')
    expect(await present.verifyEvidence(WRITER)).toMatchObject({ records: 2, problems: [] })
  })

  it('a proof of the new key makes a point of the old one good, and both are named', async () => {
    const present = worker(NEW, OLD, NEW)
    const { manifest, digest } = await present.readManifest('orders', BEFORE)
    await present.appendProof(proofOf(manifest, digest, { completedAt: '2027-01-02T03:04:05.678Z' }))
    expect((await present.survey()).points[0]).toMatchObject({ good: true, signers: ['key-2026', 'key-2027'] })
  })

  it('a worker that does not know the new key yet trusts nothing of it, and says so', async () => {
    const { points, problems } = await worker(OLD, OLD).survey()
    expect(points.map(({ id }) => id)).toEqual([BEFORE])
    expect(problems).toMatchObject([{ key: manifestKey('orders', AFTER), code: 'SIGNATURE_INVALID' }])
  })

  it('once the old key is trusted no more, its points are none, though an index of the new key has them', async () => {
    await worker(NEW, OLD, NEW).rebuildIndex()
    const { points, problems } = await worker(NEW, NEW).survey()
    expect(points.map(({ id }) => id)).toEqual([AFTER])
    expect(problems).toMatchObject([{ key: manifestKey('orders', BEFORE), code: 'SIGNATURE_INVALID' }])
    await expect(worker(NEW, NEW).readManifest('orders', BEFORE)).rejects.toMatchObject({ code: 'SIGNATURE_INVALID' })
  })
})
