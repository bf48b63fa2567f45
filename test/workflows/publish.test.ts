/** The publish step of a run that nobody waits for any more: it asks right before it makes a point visible. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createPublishActivities } from '../../activities/publish.ts'
import type { Services } from '../../activities/services.ts'
import { manifestKey } from '../../src/catalog/keys.ts'
import { stage as stageCapture } from '../../src/catalog/staged.ts'
import { logicalSource } from '../../src/config/schema.ts'
import { createMemoryStore } from '../../src/storage/memory.ts'
import type { Store } from '../../src/storage/store.ts'
import { catalogOn, manifestOf, putArtifact } from '../support/catalog.ts'
import { POINT, sourceFakes } from '../support/workflows/source.ts'
import { openStage, type Stage } from '../support/workflows/stage.ts'

const KEY = manifestKey('orders', POINT)
let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => stage?.close())

/** A repository with a capture of `POINT`, and the step that publishes it; `before` is awaited before each look at its object. */
async function captured(before: () => Promise<void>) {
  const store = createMemoryStore()
  const artifact = await putArtifact(store, 'orders', POINT)
  const { consistency, createdAt, versions } = manifestOf('orders', POINT, [])
  const digest = await stageCapture(
    store,
    { source: 'orders', id: POINT, attempt: 1 },
    { artifacts: [artifact], consistency, versions, startedAt: createdAt, sizeBytes: 100, fileCount: 1, warnings: [] },
  )
  const puts: string[] = []
  const seen: Store = {
    ...store,
    head: async (key) => {
      if (key === artifact.key) await before()
      return store.head(key)
    },
    put: async (key, body, options) => {
      puts.push(key)
      return store.put(key, body, options)
    },
  }
  const orders = logicalSource.parse({ driver: 'postgres-logical', connection: '${env:UNUSED}', repository: 'hot' })
  const services = {
    config: { encryption: { recipients: [] }, sources: { orders } },
    store: async () => seen,
    catalog: async () => catalogOn(seen),
  } as unknown as Services
  const { publish } = createPublishActivities(services)
  const dump = async () => ({ attempt: 1, digest, sizeBytes: 100, storedBytes: 50, fileCount: 1, warnings: [] })
  return { store, puts, publish, dump }
}
const start = (workflowId: string) =>
  stage.client.workflow.start('backup', { taskQueue: 'holdfast', workflowId, args: [{ source: 'orders' }] })

test('a run that is waited for publishes', async () => {
  const { store, publish, dump } = await captured(async () => {})
  await stage.play(sourceFakes({ publish, dump }), async () => {
    await (await start('publish-wanted')).result()
  })
  expect((await catalogOn(store).listPoints('orders')).map(({ id }) => id)).toEqual([POINT])
})

test('a step that thaws after its run was given up puts no manifest', async () => {
  const reached = Promise.withResolvers<void>()
  const thaw = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<unknown>()
  const { store, puts, publish, dump } = await captured(() => {
    reached.resolve()
    return thaw.promise
  })
  const noted = (input: Parameters<typeof publish>[0]) => {
    const run = publish(input)
    run.then(ended.resolve, ended.resolve)
    return run
  }
  await stage.play(sourceFakes({ publish: noted, dump }), async () => {
    const run = await start('publish-given-up')
    await reached.promise
    await run.terminate('given up')
    thaw.resolve()
    expect(await ended.promise).toMatchObject({ code: 'CANCELLED', message: expect.stringContaining('was given up') })
  })
  expect(puts).not.toContain(KEY)
  expect(await store.head(KEY)).toBeUndefined()
})
