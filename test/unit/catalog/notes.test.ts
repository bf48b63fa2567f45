import { beforeEach, describe, expect, it } from 'vitest'
import { digestOf } from '../../../src/catalog/canonical.ts'
import type { Catalog } from '../../../src/catalog/catalog.ts'
import { readGeneration, writeGeneration } from '../../../src/catalog/generations.ts'
import { holdsPrefix, manifestKey, proofsPrefix } from '../../../src/catalog/keys.ts'
import type { Hold, Manifest, Proof } from '../../../src/core/records.ts'
import { createMemoryStore, type MemoryStore } from '../../../src/storage/memory.ts'
import { readAll } from '../../../src/storage/store.ts'
import { addPoint, catalogOn, keysIn, proofOf, signer, stranger, verifier } from '../../support/catalog.ts'

const ID = '20251018_214530_manual'
const OTHER = '20251019_214530_manual'
let store: MemoryStore
let catalog: Catalog
let manifest: Manifest
let digest: string

beforeEach(async () => {
  store = createMemoryStore()
  catalog = catalogOn(store)
  manifest = await addPoint(store, ID)
  digest = (await catalog.readManifest('orders', ID)).digest
})
const at = (minute: number) => new Date(Date.UTC(2026, 0, 2, 3, minute)).toISOString()
const prove = (minute: number, depth: Proof['depth'], ok = true) =>
  catalog.appendProof(proofOf(manifest, digest, { depth, ok, completedAt: at(minute) }))
const shown = async () => (await catalog.survey('orders')).points.find(({ id }) => id === ID)
const hold = (minute: number, held: boolean): Hold => ({
  format: 'holdfast/v1',
  type: 'hold',
  source: 'orders',
  id: ID,
  held,
  actor: 'ann',
  reason: 'audit',
  at: at(minute),
})

describe('proofs', () => {
  it('make a point good from the depth restore on', async () => {
    expect(await shown()).toMatchObject({ good: false })
    await prove(1, 'list')
    await prove(2, 'read')
    expect(await shown()).toMatchObject({ good: false, proof: { depth: 'read', ok: true } })
    await prove(3, 'restore')
    expect(await shown()).toMatchObject({ good: true, proof: { depth: 'restore', at: at(3) } })
    await prove(4, 'list')
    expect(await shown()).toMatchObject({ good: true, proof: { depth: 'restore', at: at(3) } })
  })

  it('that failed take back what passed before, until a new one of that depth passes', async () => {
    await prove(1, 'full')
    await prove(2, 'list', false)
    expect(await shown()).toMatchObject({ good: false, proof: { depth: 'list', ok: false } })
    await prove(3, 'list')
    expect(await shown()).toMatchObject({ good: false, proof: { depth: 'list', ok: true } })
    await prove(4, 'restore')
    expect(await shown()).toMatchObject({ good: true, proof: { depth: 'restore', ok: true } })
  })

  it('that failed are not taken back by a shallower one, only by one of the same depth or a deeper one', async () => {
    await prove(1, 'full', false)
    for (const [minute, depth] of [
      [2, 'list'],
      [3, 'read'],
      [4, 'restore'],
    ] as const) {
      await prove(minute, depth)
      expect(await shown()).toMatchObject({ good: false, proof: { depth: 'full', ok: false, at: at(1) } })
    }
    await prove(5, 'full')
    expect(await shown()).toMatchObject({ good: true, proof: { depth: 'full', ok: true, at: at(5) } })
    await prove(6, 'read', false)
    await prove(7, 'full')
    expect(await shown()).toMatchObject({ good: true, proof: { depth: 'full', at: at(7) } })
  })

  it('that failed at two depths stand until both are outdone', async () => {
    await prove(1, 'full', false)
    await prove(2, 'list', false)
    expect(await shown()).toMatchObject({ good: false, proof: { depth: 'full', ok: false, at: at(2) } })
    await prove(3, 'read')
    expect(await shown()).toMatchObject({ good: false, proof: { depth: 'full', ok: false, at: at(1) } })
  })

  it('without a single assertion count for nothing', async () => {
    const empty = (minute: number, depth: Proof['depth']) =>
      catalog.appendProof(proofOf(manifest, digest, { depth, assertions: [], completedAt: at(minute) }))
    await empty(1, 'full')
    expect((await shown())?.proof).toBeUndefined()
    await prove(2, 'read', false)
    await empty(3, 'full')
    expect(await shown()).toMatchObject({ good: false, proof: { depth: 'read', ok: false } })
  })

  it('are judged anew where an older Holdfast kept another verdict in its index', async () => {
    await prove(1, 'full', false)
    const { number } = await readGeneration({ store, verifier })
    const [point] = (await catalog.survey()).points
    if (!point) throw new Error('no point')
    const objects: string[] = []
    for (const prefix of [manifestKey('orders', ID), proofsPrefix('orders', ID)])
      for await (const { key, size } of store.list(prefix)) objects.push(`${key} ${size}`)
    const modified = (await store.head(manifestKey('orders', ID)))?.modified.getTime()
    const fingerprint = digestOf(Buffer.from([...objects, modified].join('\n'))).slice(0, 32)
    const summary = { ...point, good: true, proof: { depth: 'read', ok: true, at: at(1) } as const }
    await writeGeneration({ store, signer, verifier }, number + 1, [{ fingerprint, summary }])
    expect(await shown()).toMatchObject({ good: false, proof: { depth: 'full', ok: false } })
  })

  it('are appended: two of one moment both stay, the same one twice is one', async () => {
    await prove(1, 'list')
    await prove(1, 'full')
    await prove(1, 'list')
    expect(await keysIn(store, proofsPrefix('orders', ID))).toHaveLength(2)
    expect((await catalog.proofsOf('orders', ID)).map(({ depth }) => depth).sort()).toEqual(['full', 'list'])
  })

  it('do not count, and are told, when they are of another manifest, another point, another time or another hand', async () => {
    await addPoint(store, OTHER)
    const otherDigest = (await catalog.readManifest('orders', OTHER)).digest
    await catalog.appendProof(proofOf({ ...manifest, id: OTHER }, otherDigest))
    const [moved = ''] = await keysIn(store, proofsPrefix('orders', OTHER))
    const plant = async (name: string, bytes: Buffer) => store.put(`${proofsPrefix('orders', ID)}${name}`, bytes, { ifAbsent: true })

    await catalog.appendProof(proofOf(manifest, otherDigest, { completedAt: at(1) }))
    await plant('20260102T030405678Z.json', await readAll(store, moved))
    await catalogOn(store, stranger).appendProof(proofOf(manifest, digest, { completedAt: at(2) }))
    await plant('20990101T000000000Z.json', await readAll(store, `${proofsPrefix('orders', ID)}20260102T030100000Z.json`))

    const { points, problems } = await catalog.survey('orders')
    expect(points.find(({ id }) => id === ID)).toMatchObject({ good: false })
    expect(problems.map(({ code }) => code).sort()).toEqual(['INTEGRITY', 'INTEGRITY', 'INTEGRITY', 'SIGNATURE_INVALID'])
    expect(problems.every(({ key, message }) => key.startsWith(proofsPrefix('orders', ID)) && message.includes(key))).toBe(true)
    await expect(catalog.proofsOf('orders', ID)).rejects.toMatchObject({ object: expect.stringContaining('/proofs/') })
  })

  it('need a point to be about', async () => {
    await store.delete(manifestKey('orders', ID))
    await expect(prove(1, 'full')).rejects.toMatchObject({ code: 'NOT_FOUND', object: ID })
  })
})

describe('holds', () => {
  it('hold until they are released, the newest decides', async () => {
    expect(await shown()).toMatchObject({ held: false })
    await catalog.addHold(hold(1, true))
    expect(await shown()).toMatchObject({ held: true })
    await catalog.addHold(hold(2, false))
    expect(await shown()).toMatchObject({ held: false })
    await catalog.addHold(hold(3, true))
    expect(await shown()).toMatchObject({ held: true })
    expect(await catalog.holdsOf('orders', ID)).toMatchObject([{ held: true }, { held: false }, { held: true, actor: 'ann' }])
  })

  it('of another point hold nothing here, and are told', async () => {
    await addPoint(store, OTHER)
    const key = await catalog.addHold({ ...hold(1, true), id: OTHER })
    const moved = key.replace(OTHER, ID)
    await store.put(moved, await readAll(store, key), { ifAbsent: true })
    expect(await shown()).toMatchObject({ held: false })
    expect((await catalog.survey()).problems).toMatchObject([{ key: moved, code: 'INTEGRITY' }])
  })

  it('are not lifted by an old release under a new name, nor by a stranger', async () => {
    await catalog.addHold(hold(1, false))
    await catalog.addHold(hold(2, true))
    const [release = ''] = await keysIn(store, holdsPrefix('orders', ID))
    await store.put(`${holdsPrefix('orders', ID)}20990101T000000000Z.json`, await readAll(store, release), { ifAbsent: true })
    await catalogOn(store, stranger).addHold(hold(3, false))
    expect(await shown()).toMatchObject({ held: true })
    expect((await catalog.survey()).problems).toHaveLength(2)
  })
})
