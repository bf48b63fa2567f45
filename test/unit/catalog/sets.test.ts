import { expect, it } from 'vitest'
import { setId } from '../../../src/catalog/sets.ts'
import type { SetRecord } from '../../../src/core/sets.ts'
import { createMemoryStore } from '../../../src/storage/memory.ts'
import { readAll } from '../../../src/storage/store.ts'
import { addPoint, catalogOn, stranger } from '../../support/catalog.ts'

const at = (day: number) => `2025-10-${day}T21:45:30.000Z`
const record = (day: number, more: Partial<SetRecord> = {}): SetRecord => ({
  format: 'holdfast/v1',
  type: 'set',
  set: 'everything',
  id: setId(more.set ?? 'everything', new Date(at(day))),
  createdAt: at(day),
  completedAt: at(day),
  complete: true,
  members: [{ source: 'orders', repository: 'hot', required: true, after: [], barrier: { lsn: '0/1' }, id: '20251018_214530_manual' }],
  checks: [],
  workflowId: 'w',
  runId: 'r',
  ...more,
})

it('records of sets are listed newest first, by set, and are no recovery points', async () => {
  const store = createMemoryStore()
  const catalog = catalogOn(store)
  await addPoint(store, '20251018_214530_manual')
  for (const one of [record(18), record(19), record(19, { set: 'some' })]) await catalog.publishSet(one)
  expect((await catalog.listSets('everything')).map(({ id }) => id)).toEqual(['20251019_214530_everything', '20251018_214530_everything'])
  expect(await catalog.listSets()).toHaveLength(3)
  expect((await catalog.listPoints()).map(({ id }) => id)).toEqual(['20251018_214530_manual'])
})

it('a run that records its set again finds its own; another run of that second is refused', async () => {
  const catalog = catalogOn(createMemoryStore())
  await catalog.publishSet(record(18))
  await catalog.publishSet(record(18))
  await expect(catalog.publishSet(record(18, { runId: 'other' }))).rejects.toMatchObject({ code: 'STORE_CONFLICT' })
  expect(await catalog.listSets()).toHaveLength(1)
})

it('a record that a stranger signed, or that was moved, is not taken for one', async () => {
  const store = createMemoryStore()
  await catalogOn(store, stranger).publishSet(record(18))
  await expect(catalogOn(store).listSets()).rejects.toMatchObject({ code: 'SIGNATURE_INVALID' })
  const moved = createMemoryStore()
  await catalogOn(moved).publishSet(record(18))
  const key = 'holdfast/v1/sets/20251018_214530_everything.json'
  await moved.put(key.replace('1018', '1020'), await readAll(moved, key), { ifAbsent: true })
  await expect(catalogOn(moved).listSets()).rejects.toMatchObject({ code: 'INTEGRITY' })
})
