/** Backups of the engine that became no recovery point: they go, nothing builds on them, and nothing of a point's goes with them. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PointKind } from '../../src/core/ids.ts'
import { createPgbackrest } from '../../src/drivers/postgres-physical/pgbackrest.ts'
import { createSink } from '../../src/pipeline/capture.ts'
import { createPhysicalSource, type PhysicalSource, quiet, STANZA } from '../support/physical.ts'

let source: PhysicalSource
beforeAll(async () => {
  source = await createPhysicalSource({ config: { barrier: false } })
})
afterAll(async () => source?.destroy())

const engine = () => createPgbackrest({ configFile: source.configFile, stanza: STANZA })
const labels = async () => (await engine().info()).backups.map(({ label }) => label)
const labelOf = async (id: string) => (await engine().info()).backups.find(({ pointId }) => pointId === id)?.label as string

const capture = (id: string, kind: PointKind, known: string[], context = quiet()) => {
  const sink = createSink({ store: source.store, prefix: `${id}/`, attempt: 1, recipients: [source.identity.recipient] })
  return source.driver.capture(context, { id, kind, attempt: 1, known }, sink)
}

/** Fails right after the engine has finished its backup. */
async function failed(id: string, kind: PointKind, known: string[]): Promise<string> {
  const stopping = new AbortController()
  const onProgress = ({ phase }: { phase: string }) => phase === 'mark' && stopping.abort(new Error('stopped after the backup'))
  await expect(capture(id, kind, known, { signal: stopping.signal, onProgress: (progress) => void onProgress(progress) })).rejects.toThrow()
  return labelOf(id)
}

test('the only full backup of the stanza, given up, goes with the next capture, which does not build on it', async () => {
  const left = await failed('first', 'full', [])
  expect(left).toBeTruthy()
  await source.driver.discardCapture(quiet(), 'first', [])
  expect(await labels(), 'pgBackRest keeps its last full backup').toEqual([left])

  const next = await capture('second', 'incremental', [])
  expect(next.reference?.type).toBe('full')
  expect(next.warnings.join()).toContain(left)
  expect(await labels()).toEqual([next.reference?.label])
})

test('an incremental that was given up goes at once, and a second time without complaint', async () => {
  const base = await labelOf('second')
  const left = await failed('third', 'incremental', [base])
  expect(await labels()).toEqual([base, left])
  expect(await source.driver.dependentsOf(base)).toEqual([left])
  await source.driver.discardCapture(quiet(), 'third', [])
  await source.driver.discardCapture(quiet(), 'third', [])
  expect(await labels()).toEqual([base])
})

test('what belongs to a point is left alone, also under the same id', async () => {
  const base = await labelOf('second')
  await source.driver.discardCapture(quiet(), 'second', [base])
  expect((await engine().info()).backups).toMatchObject([{ label: base }])
  expect((await engine().info()).backups[0]?.givenUp).toBeUndefined()
})

test('an incremental and a differential build on a known backup, and are full where another came in between', async () => {
  const base = await labelOf('second')
  expect((await capture('fourth', 'incremental', [base])).reference).toMatchObject({ type: 'incremental', needs: [base] })
  // The fourth is of no point now: an incremental would build on it, a differential would not.
  expect((await capture('fifth', 'differential', [base])).reference).toMatchObject({ type: 'differential', needs: [base] })
  const sixth = await capture('sixth', 'incremental', [base])
  expect(sixth).toMatchObject({ reference: { type: 'full', needs: [] }, warnings: [expect.stringContaining(await labelOf('fifth'))] })
})

test('after a newer full backup is gone, on whose label pgBackRest insists, an incremental is a full one instead of none', async () => {
  const known = [await labelOf('sixth')]
  await failed('seventh', 'full', known)
  await source.driver.discardCapture(quiet(), 'seventh', known)
  expect(await capture('eighth', 'incremental', known)).toMatchObject({
    reference: { type: 'full' },
    warnings: [expect.stringContaining('incremental was asked for and full was taken')],
  })
})
