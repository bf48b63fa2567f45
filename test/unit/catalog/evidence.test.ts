import { beforeEach, describe, expect, it } from 'vitest'
import { canonicalBytes } from '../../../src/catalog/canonical.ts'
import type { Catalog } from '../../../src/catalog/catalog.ts'
import type { NewEvidence } from '../../../src/catalog/evidence.ts'
import { evidencePrefix, numberedKey } from '../../../src/catalog/keys.ts'
import { createMemoryStore, type MemoryStore } from '../../../src/storage/memory.ts'
import { createRetryingStore } from '../../../src/storage/retrying.ts'
import { readAll } from '../../../src/storage/store.ts'
import { catalogOn, signer, stranger } from '../../support/catalog.ts'
import { createFaultyStore } from '../../support/faulty.ts'

const WRITER = 'worker-1'
const key = (number: number) => numberedKey(evidencePrefix(WRITER), number)
const evidence = (run: number, outcome = 'ok'): NewEvidence => ({
  at: '2026-01-02T03:04:05Z',
  workflow: 'failover',
  workflowId: 'failover-orders',
  runId: `run-${run}`,
  outcome,
  report: { steps: [run], nothing: undefined },
})

let store: MemoryStore
let catalog: Catalog
beforeEach(() => {
  store = createMemoryStore()
  catalog = catalogOn(store)
})
const write = async (count: number) => {
  for (let run = 1; run <= count; run++) await catalog.appendEvidence(WRITER, evidence(run))
}
const json = async (number: number) => JSON.parse(String(await readAll(store, key(number)))) as Record<string, unknown>
const problems = async (headsIn?: MemoryStore) => (await catalog.verifyEvidence(WRITER, headsIn)).problems

describe('a chain of evidence', () => {
  it('is whole when nobody touched it', async () => {
    await write(12)
    expect(await catalog.verifyEvidence(WRITER)).toMatchObject({ records: 12, problems: [], head: { number: 12 } })
    expect(await catalog.verifyEvidence('nobody')).toEqual({ records: 0, problems: [] })
  })

  it('takes the same record of the same run once', async () => {
    await write(3)
    expect(await catalog.appendEvidence(WRITER, { ...evidence(2), at: '2027-01-01T00:00:00Z' })).toBe(2)
    expect(await catalog.appendEvidence(WRITER, evidence(2, 'failed'))).toBe(4)
    expect(await problems()).toEqual([])
  })

  it('survives lost replies and writers at the same time', async () => {
    const faulty = createFaultyStore(store)
    faulty.failNext('put', 'lost reply', 2)
    const patient = catalogOn(createRetryingStore(faulty, { firstPauseMs: 1 }))
    const numbers = await Promise.all(Array.from({ length: 6 }, (_, run) => patient.appendEvidence(WRITER, evidence(run))))
    expect(numbers.sort()).toEqual([1, 2, 3, 4, 5, 6])
    expect(await catalog.verifyEvidence(WRITER)).toMatchObject({ records: 6, problems: [] })
  })

  it('shows an edited record', async () => {
    await write(4)
    store.overwrite(key(2), canonicalBytes({ ...(await json(2)), outcome: 'failed' }))
    expect(await problems()).toMatchObject([
      { key: key(2), problem: expect.stringContaining('changed after it was signed') },
      { key: key(3), problem: expect.stringContaining('does not follow') },
    ])
  })

  it('shows a record that a stranger wrote, and one written anew with our own key', async () => {
    await write(4)
    const second = await json(2)
    store.overwrite(key(2), canonicalBytes(stranger.sign(second)))
    expect((await problems()).map((problem) => problem.key)).toContain(key(2))
    store.overwrite(key(2), canonicalBytes(signer.sign({ ...second, outcome: 'failed' })))
    expect(await problems()).toMatchObject([{ key: key(3), problem: expect.stringContaining('does not follow') }])
  })

  it('shows a gap, a missing beginning and a record in the place of another', async () => {
    await write(5)
    await store.delete(key(3))
    expect(await problems()).toMatchObject([{ key: key(4), problem: expect.stringContaining('3 to 3') }])
    await store.delete(key(1))
    expect((await problems())[0]).toMatchObject({ key: key(2), problem: expect.stringContaining('1 to 1') })
    store.overwrite(key(3), await readAll(store, key(5)))
    expect((await problems()).map((problem) => problem.key)).toContain(key(3))
  })

  it('shows a fork: a second chain in the place of the end of the first', async () => {
    await write(4)
    const elsewhere = createMemoryStore()
    await catalog.publishHead(WRITER, elsewhere)
    for (const number of [3, 4]) await store.delete(key(number))
    for (const run of [13, 14]) await catalog.appendEvidence(WRITER, evidence(run))
    expect(await problems()).toEqual([])
    expect(await problems(elsewhere)).toMatchObject([{ key: key(4), problem: expect.stringContaining('another record') }])
  })

  it('shows a cut at the end against a head that is kept elsewhere', async () => {
    await write(5)
    const elsewhere = createMemoryStore()
    expect(await catalog.publishHead(WRITER, elsewhere)).toMatchObject({ number: 5 })
    await catalog.publishHead(WRITER, elsewhere)
    await catalog.appendEvidence(WRITER, evidence(6))
    expect(await problems(elsewhere)).toEqual([])
    for (const number of [5, 6]) await store.delete(key(number))
    expect(await problems()).toEqual([])
    expect(await problems(elsewhere)).toMatchObject([{ key: key(5), problem: expect.stringContaining('missing') }])
  })

  it('goes on over a record that cannot be trusted, and still shows it', async () => {
    await write(2)
    store.overwrite(key(2), canonicalBytes({ ...(await json(2)), outcome: 'failed' }))
    expect(await catalog.appendEvidence(WRITER, evidence(3))).toBe(3)
    expect(await problems()).toMatchObject([{ key: key(2) }])
  })
})
