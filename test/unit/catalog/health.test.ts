/** Whether anything of a source may be deleted, by the proofs of its points. */
import { beforeEach, describe, expect, it } from 'vitest'
import { createRetentionActivities } from '../../../activities/retention.ts'
import type { Services } from '../../../activities/services.ts'
import { logicalSource } from '../../../src/config/schema.ts'
import type { Proof } from '../../../src/core/records.ts'
import { createMemoryStore, type MemoryStore } from '../../../src/storage/memory.ts'
import { addPoint, catalogOn, proofOf } from '../../support/catalog.ts'

const OLD = '20250101_120000_manual'
const BROKEN = '20250102_120000_manual'
const NEWEST = '20250103_120000_manual'
const orders = logicalSource.parse({
  driver: 'postgres-logical',
  connection: '${env:UNUSED}',
  repository: 'hot',
  retention: { keepLast: 1, daily: 0, weekly: 0, monthly: 0, yearly: 0 },
})

let store: MemoryStore
beforeEach(async () => {
  store = createMemoryStore()
  for (const id of [OLD, BROKEN, NEWEST]) await addPoint(store, id)
})
async function prove(minute: number, id: string, depth: Proof['depth'], ok = true): Promise<void> {
  const catalog = catalogOn(store)
  const { manifest, digest } = await catalog.readManifest('orders', id)
  const completedAt = new Date(Date.UTC(2026, 0, 2, 3, minute)).toISOString()
  await catalog.appendProof(proofOf(manifest, digest, { depth, ok, completedAt }))
}
async function deleted(): Promise<string[]> {
  const services = { config: { sources: { orders }, repositories: {} }, catalog: async () => catalogOn(store) } as unknown as Services
  return (await createRetentionActivities(services).planRetention({ source: 'orders' })).delete.map(({ id }) => id)
}

describe('after a proof that failed, nothing is deleted', () => {
  it('until one of that depth or a deeper one passes, for this point or another', async () => {
    expect(await deleted()).toEqual([BROKEN, OLD])
    await prove(1, BROKEN, 'restore', false)
    expect(await deleted()).toEqual([])
    await prove(2, NEWEST, 'full')
    expect(await deleted()).toEqual([BROKEN, OLD])
  })

  it('however many shallower ones pass, of the broken point or of others', async () => {
    await prove(1, BROKEN, 'full', false)
    await prove(2, BROKEN, 'read')
    expect(await deleted()).toEqual([])
    await prove(3, NEWEST, 'read')
    await prove(4, NEWEST, 'restore')
    expect(await deleted()).toEqual([])
  })

  it('where the deeper one passed before it', async () => {
    await prove(1, NEWEST, 'full')
    await prove(2, BROKEN, 'list', false)
    expect(await deleted()).toEqual([])
  })
})
