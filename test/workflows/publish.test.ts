/** The publish step of a run that nobody waits for any more: it asks right before it makes a point visible. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createPublishActivities } from '../../activities/publish.ts'
import type { Services } from '../../activities/services.ts'
import { dataPrefix, manifestKey, reservationKey } from '../../src/catalog/keys.ts'
import { stage as stageCapture } from '../../src/catalog/staged.ts'
import { logicalSource, physicalSource } from '../../src/config/schema.ts'
import type { Reference } from '../../src/core/records.ts'
import { createMemoryStore } from '../../src/storage/memory.ts'
import type { Store } from '../../src/storage/store.ts'
import { catalogOn, manifestOf, putArtifact } from '../support/catalog.ts'
import { endOf, POINT, refused, sourceFakes } from '../support/workflows/source.ts'
import { openStage, type Stage } from '../support/workflows/stage.ts'

const KEY = manifestKey('orders', POINT)
let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => stage?.close())

const REFERENCE: Reference = {
  engine: 'pgbackrest',
  stanza: 'orders',
  repoPath: '/repo',
  label: '20260115-120000F',
  type: 'full',
  walStart: '000000010000000000000001',
  walStop: '000000010000000000000002',
  needs: [],
  manifestDigest: 'a'.repeat(64),
}
const logical = logicalSource.parse({ driver: 'postgres-logical', connection: '${env:UNUSED}', repository: 'hot' })
const physical = physicalSource.parse({
  driver: 'postgres-physical',
  connection: '${env:UNUSED}',
  repository: 'hot',
  host: 'db1',
  stanza: 'orders',
  pgbackrestConfig: '/unused',
})

/** What a test holds up: each is awaited before that call on that object. */
interface Delays {
  head?: (key: string) => Promise<void>
  put?: (key: string) => Promise<void>
}

/** A repository with a capture of `POINT`, and the step that publishes it. */
async function captured({ head, put }: Delays, reference?: Reference) {
  const store = createMemoryStore()
  await catalogOn(store).reserveId('orders', 'manual', new Date('2026-01-15T12:00:00Z'))
  const artifacts = reference ? [] : [await putArtifact(store, 'orders', POINT)]
  const { consistency, createdAt, versions } = manifestOf('orders', POINT, [])
  const sizes = { sizeBytes: 100, storedBytes: 50, fileCount: 1, warnings: [] }
  const digest = await stageCapture(
    store,
    { source: 'orders', id: POINT, attempt: 1 },
    { artifacts, consistency, versions, startedAt: createdAt, ...sizes, ...(reference && { reference }) },
  )
  const puts: string[] = []
  const seen: Store = {
    ...store,
    head: async (key) => {
      await head?.(key)
      return store.head(key)
    },
    put: async (key, body, options) => {
      await put?.(key)
      puts.push(key)
      return store.put(key, body, options)
    },
  }
  const services = {
    config: { encryption: { recipients: [] }, sources: { orders: reference ? physical : logical } },
    store: async () => seen,
    catalog: async () => catalogOn(seen),
  } as unknown as Services
  const { publish, discard } = createPublishActivities(services)
  const dump = async () => ({ attempt: 1, digest, ...sizes })
  return { store, puts, publish, discard, dump }
}
/** Holds up the first that comes: the later ones are of tries that are not frozen. */
function freeze(key: string) {
  const reached = Promise.withResolvers<void>()
  const thaw = Promise.withResolvers<void>()
  let first = true
  const hold = async (asked: string) => {
    if (asked !== key || !first) return
    first = false
    reached.resolve()
    await thaw.promise
  }
  return { hold, reached: reached.promise, thaw: thaw.resolve }
}
/** The same step, with how its first try ended. */
function noted<I, T>(step: (input: I) => Promise<T>, later: (input: I) => Promise<T> = step) {
  const ended = Promise.withResolvers<unknown>()
  let tries = 0
  const run = (input: I) => {
    if (++tries > 1) return later(input)
    const first = step(input)
    first.then(ended.resolve, ended.resolve)
    return first
  }
  return { run, ended: ended.promise }
}
const listed = async (store: Store) => (await catalogOn(store).listPoints('orders')).map(({ id }) => id)
const start = (workflowId: string) =>
  stage.client.workflow.start('backup', { taskQueue: 'holdfast', workflowId, args: [{ source: 'orders' }] })

test('a run that is waited for publishes, with objects or a reference', async () => {
  for (const reference of [undefined, REFERENCE]) {
    const { store, publish, dump } = await captured({}, reference)
    await stage.play(sourceFakes({ publish, dump }), async () => {
      await (await start(`publish-wanted-${reference?.engine}`)).result()
    })
    expect(await listed(store)).toEqual([POINT])
  }
})

test('a step that thaws after its run was given up puts no manifest', async () => {
  const frozen = freeze(`${dataPrefix('orders', POINT)}database.zst.age`)
  const { store, puts, publish, dump } = await captured({ head: frozen.hold })
  const first = noted(publish)
  await stage.play(sourceFakes({ publish: first.run, dump }), async () => {
    const run = await start('publish-given-up')
    await frozen.reached
    await run.terminate('given up')
    frozen.thaw()
    expect(await first.ended).toMatchObject({ code: 'CANCELLED', message: expect.stringContaining('was given up') })
  })
  expect(puts).not.toContain(KEY)
  expect(await store.head(KEY)).toBeUndefined()
})

test('a write that was frozen until its run had discarded the point is withdrawn, also where an engine keeps the data', async () => {
  for (const reference of [undefined, REFERENCE]) {
    const frozen = freeze(KEY)
    const { store, publish, discard, dump } = await captured({ put: frozen.hold }, reference)
    const first = noted(publish, async () => {
      throw refused('INTEGRITY', 'no better the second time')
    })
    await stage.play(sourceFakes({ publish: first.run, discard, dump }), async () => {
      const run = await start(`publish-discarded-${reference?.engine}`)
      await frozen.reached
      expect(await endOf(run.result())).toMatchObject({ code: 'INTEGRITY' })
      frozen.thaw()
      expect(await first.ended).toMatchObject({ code: 'INTEGRITY', message: expect.stringContaining('it was withdrawn') })
    })
    expect(await listed(store)).toEqual([])
  }
})

test('a write whose later try published the point is not withdrawn when it thaws', async () => {
  const frozen = freeze(reservationKey('orders', POINT))
  const { store, publish, dump } = await captured({ head: frozen.hold }, REFERENCE)
  const first = noted(publish)
  await stage.play(sourceFakes({ publish: first.run, dump }), async () => {
    const run = await start('publish-again')
    await frozen.reached
    expect(await store.head(KEY)).toBeDefined()
    await run.result()
    frozen.thaw()
    expect(await first.ended).toEqual({ id: POINT })
  })
  expect(await listed(store)).toEqual([POINT])
})
