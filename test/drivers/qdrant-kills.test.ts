/** Tries that are killed, frozen or repeated, on the stand-in: what they made is found again, and nobody else's. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CaptureRequest } from '../../src/drivers/driver.ts'
import { startDaemon } from '../../src/process/daemon.ts'
import { until } from '../../src/process/wait.ts'
import { contextFor, nextRequest } from '../conformance/driver.ts'
import { type FlakyProxy, startFlakyProxy } from '../support/flaky-proxy.ts'
import { contentsOf, leftOn } from '../support/qdrant.ts'
import { openStage, type Stage } from '../support/qdrant-stage.ts'

let stage: Stage
let proxy: FlakyProxy | undefined
beforeEach(async () => {
  stage = await openStage()
})
afterEach(async () => {
  await proxy?.stop()
  proxy = undefined
  await stage.close()
})

const snapshot = (request: CaptureRequest) => stage.driver.snapshot?.(contextFor(), request)
const remove = ({ id }: CaptureRequest) => stage.driver.removeSnapshot?.(contextFor(), id)
const names = async (collection: string) => (await stage.client.listSnapshots(collection)).map(({ name }) => name).sort()
const THEIRS = 'by-hand.snapshot'
const putTheirs = (name = THEIRS) => writeFile(join(stage.server.dir, 'snapshots/docs', name), 'theirs')

/** A worker that is killed, with SIGKILL, while the server makes the snapshot that it asked for. */
async function killedIn({ id }: CaptureRequest, collection: string): Promise<void> {
  proxy = await startFlakyProxy(stage.server.url)
  await stage.configure({}, proxy.endpoint)
  const { requests } = proxy
  await stage.server.fail({ method: 'POST', path: `/collections/${collection}/snapshots`, delayMs: 3000 })
  const args = [join(import.meta.dirname, '../support/qdrant-snapshot-probe.ts'), proxy.endpoint, id]
  const worker = await startDaemon({ program: process.execPath, args }, { logFile: join(stage.scratchRoot, 'worker.log') })
  const asked = () => requests.some((request) => request.startsWith(`POST /collections/${collection}/snapshots`))
  await until(asked, { timeoutMs: 60_000, what: 'the worker to ask for a snapshot' })
  process.kill(worker.pid, 'SIGKILL')
  await worker.exited
}

/** The point's artifacts, whose snapshots stop before their last bytes until that was done. */
function beforeTheEndOf(meanwhile: () => Promise<unknown>): ReturnType<Stage['artifacts']> {
  const artifacts = stage.artifacts()
  return {
    ...artifacts,
    async read(artifact) {
      const stream = (await artifacts.read(artifact)) as AsyncIterable<Buffer>
      async function* slowly() {
        yield* stream
        await meanwhile()
      }
      return Readable.from(artifact.role === 'snapshot' ? slowly() : stream, { objectMode: false })
    },
  }
}

describe('snapshots of a worker that was killed', () => {
  it('between their making and their download are removed by whoever knows the id', async () => {
    const request = nextRequest()
    await snapshot(request)
    expect((await leftOn(stage.client)).length).toBe(3)
    await stage.configure({})
    await remove(request)
    expect(await leftOn(stage.client)).toEqual([])
    await remove(request)
  })

  it('are removed by its second try, which makes its own', async () => {
    const request = nextRequest()
    await snapshot(request)
    await snapshot({ ...request, attempt: 2 })
    expect((await names('docs')).length).toBe(1)
    expect((await names('images')).length).toBe(1)
    await remove(request)
    expect(await leftOn(stage.client)).toEqual([])
  })

  it('while the server still makes one are removed too, and not what was there before', async () => {
    const request = nextRequest()
    await stage.client.createSnapshot('images')
    const theirs = await names('images')
    await killedIn(request, 'images')
    await remove(request)
    // It was waited for: when the worker was killed it was not there yet.
    expect(proxy?.requests.filter((one) => one.startsWith('DELETE /collections/images/snapshots/'))).toHaveLength(1)
    expect(await names('images')).toEqual(theirs)
    expect(await names('docs')).toEqual([])
    expect((await leftOn(stage.client)).filter((name) => name.startsWith('holdfast_'))).toEqual([])
  })

  it('that the server refused to make are not waited for, those whose answer got lost are', async () => {
    const request = nextRequest()
    const asked = { method: 'POST', path: '/collections/docs/snapshots' } as const
    await stage.server.fail({ ...asked, status: 500, error: 'Service internal error: ordered' })
    await expect(snapshot(request)).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE' })
    await remove(request)
    expect(await leftOn(stage.client)).toEqual([])
    await stage.server.fail({ ...asked, status: 504 })
    await expect(snapshot(request)).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE' })
    await stage.client.createSnapshot('docs')
    await remove(request)
    expect(await leftOn(stage.client)).toEqual([])
  })

  it('are left and named where somebody else made one meanwhile, and nobody can tell which is whose', async () => {
    const request = nextRequest()
    await killedIn(request, 'docs')
    await until(async () => (await names('docs')).length === 1, { timeoutMs: 10_000, what: 'the snapshot of the killed worker' })
    await putTheirs()
    await expect(remove(request)).rejects.toMatchObject({
      code: 'SOURCE_UNFIT',
      message: expect.stringContaining(`docs/${THEIRS}`),
      retryable: false,
    })
    expect((await names('docs')).length).toBe(2)
    await remove(request)
  })

  it('are removed by the next backup of another day where nobody could before', async () => {
    const old = { ...nextRequest(), id: '20200101_000000_scheduled' }
    await snapshot(old)
    const request = nextRequest()
    const today = { ...request, id: `${new Date().toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '_')}_manual` }
    await snapshot(today)
    expect((await leftOn(stage.client)).filter((name) => name.startsWith('holdfast_'))).toEqual([`holdfast_capture_vectors_${today.id}`])
    await remove(today)
    expect(await leftOn(stage.client)).toEqual([])
  })

  it('are not left by one that was frozen, where the run was given up meanwhile', async () => {
    const request = nextRequest()
    proxy = await startFlakyProxy(stage.server.url)
    const { requests } = proxy
    await stage.configure({}, proxy.endpoint)
    await stage.server.fail({ method: 'POST', path: '/collections/docs/snapshots', delayMs: 2000 })
    const frozen = expect(snapshot(request)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await until(() => requests.some((one) => one.startsWith('POST /collections/docs/snapshots')), {
      timeoutMs: 30_000,
      what: 'the request',
    })
    // While it waits for the answer, all that it has written is taken away.
    await stage.client.deleteCollection(`holdfast_capture_vectors_${request.id}`)
    await frozen
    expect(await leftOn(stage.client)).toEqual([])
  })

  it('on a server that is no node of the source any more are named in the next point, which is taken all the same', async () => {
    await snapshot({ ...nextRequest(), id: '20200101_000000_scheduled' })
    proxy = await startFlakyProxy(stage.server.url)
    await stage.configure({}, proxy.endpoint)
    const { warnings } = await stage.point()
    expect(warnings).toEqual([
      expect.stringMatching(/a snapshot of \w+ is on http.* which is no node of the source any more; remove it there by hand/),
    ])
  })
})

describe('a restore that is only looked at', () => {
  it('and thaws when a later try has removed it makes nothing again', async () => {
    const manifest = await stage.point()
    const dir = join(stage.scratchRoot, 'proof-1')
    const frozen = beforeTheEndOf(() => stage.driver.destroy({ dir }))
    await expect(stage.driver.restore(contextFor(), manifest, frozen, { dir })).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(await leftOn(stage.client)).toEqual([])
    expect(await stage.snapshotFiles()).toEqual([])
  })

  it('is removed by what is written in its folder, also where it was killed in the middle', async () => {
    const manifest = await stage.point()
    const dir = join(stage.scratchRoot, 'proof-2')
    await stage.driver.restore(contextFor(), manifest, stage.artifacts(), { dir })
    // The server has the upload and lost the collection; another one was not yet begun.
    const [made = ''] = (await leftOn(stage.client)).filter((name) => name.startsWith('holdfast_scratch_') && name.endsWith('_docs'))
    await stage.client.deleteCollection(made)
    expect(await stage.snapshotFiles()).not.toEqual([])
    await stage.configure({})
    await stage.driver.destroy({ dir })
    expect(await leftOn(stage.client)).toEqual([])
    expect(await stage.snapshotFiles()).toEqual([])
  })
})

describe('a restore over the live server', () => {
  it('that is repeated after it succeeded does not touch what was written since', async () => {
    const manifest = await stage.point()
    const { swap } = await stage.aside(manifest)
    await swap()
    await stage.client.upsert('images', { wait: true, points: [{ id: 700, vector: [1, 2, 3, 4] }] })
    const again = await swap()
    expect((await stage.client.retrieve('images', { ids: [700] })).length).toBe(1)
    expect(again.warnings).toEqual([expect.stringContaining('collection images, restored: expected points 20')])
    expect(await leftOn(stage.client)).toEqual([])
  })

  it('that broke off between two collections goes on with the second', async () => {
    const before = await contentsOf(stage.client)
    const manifest = await stage.point()
    await stage.client.delete('images', { wait: true, points: [1] })
    const { swap } = await stage.aside(manifest)
    await stage.server.fail({ method: 'POST', path: '/collections/images/snapshots/upload', status: 500 })
    await expect(swap()).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE' })
    await stage.client.upsert('docs', { wait: true, points: [{ id: 4000, vector: {}, payload: {} }] })
    await swap()
    expect((await stage.client.retrieve('docs', { ids: [4000] })).length).toBe(1)
    await stage.client.delete('docs', { wait: true, points: [4000] })
    expect(await contentsOf(stage.client)).toBe(before)
  })

  it('that thaws when another try has done its work does not put the point over it', async () => {
    const manifest = await stage.point()
    const { swap } = await stage.aside(manifest, { parts: ['images'] })
    const aside = (await leftOn(stage.client)).find((name) => name.startsWith('holdfast_aside_') && !name.includes('/')) ?? ''
    await stage.client.upsert('images', { wait: true, points: [{ id: 800, vector: [1, 2, 3, 4] }] })
    const { artifacts } = stage
    const frozen = beforeTheEndOf(() => stage.client.deleteCollection(aside))
    stage.artifacts = () => frozen
    await expect(swap()).rejects.toMatchObject({ code: 'CANCELLED', message: 'another try has restored images' })
    stage.artifacts = artifacts
    const { warnings } = await swap()
    expect(warnings).toEqual([expect.stringContaining('collection images, restored: expected points 20')])
    expect((await stage.client.retrieve('images', { ids: [800] })).length).toBe(1)
  })

  it('that is given up leaves nothing aside, and nothing changed', async () => {
    const manifest = await stage.point()
    await stage.client.delete('docs', { wait: true, points: [1] })
    const before = await contentsOf(stage.client)
    const { remove: removeAside } = await stage.aside(manifest)
    expect((await leftOn(stage.client)).length).toBeGreaterThan(0)
    await removeAside()
    await removeAside()
    expect(await leftOn(stage.client)).toEqual([])
    expect(await contentsOf(stage.client)).toBe(before)
  })

  it('is not given up any more once the alias leads to what was restored', async () => {
    await stage.client.updateCollectionAliases({ actions: [{ create_alias: { alias_name: 'live', collection_name: 'docs' } }] })
    const manifest = await stage.point()
    const { swap, remove: removeAside } = await stage.aside(manifest, { parts: ['docs'] })
    await swap()
    await removeAside()
    expect(await stage.client.count('live', { exact: true })).toEqual({ count: 61 })
  })

  it('changes nothing where what was filled is not what the point says', async () => {
    const manifest = await stage.point()
    const other = structuredClone(manifest)
    Object.assign(other.inventory?.['collection docs'] ?? {}, { payloads: '0'.repeat(64) })
    const before = await contentsOf(stage.client)
    await expect(stage.aside(other)).rejects.toMatchObject({ code: 'VERIFY_FAILED', message: expect.stringContaining('content of docs') })
    expect(await contentsOf(stage.client)).toBe(before)
    expect(await leftOn(stage.client)).toEqual([])
  })

  it('does not go to a server that was not confirmed', async () => {
    const manifest = await stage.point()
    const live = stage.driver.live
    await expect(live?.check(manifest, '')).rejects.toMatchObject({
      code: 'CONFIRM_MISMATCH',
      details: { fingerprint: expect.stringMatching(/^127\.0\.0\.1:\d+\/\d+\/[0-9a-f]{12}$/) },
    })
    const confirm = (await live?.fingerprint()) ?? ''
    await live?.check(manifest, confirm)
    await stage.client.createCollection('another', { vectors: { size: 2, distance: 'Dot' } })
    await expect(live?.check(manifest, confirm)).rejects.toMatchObject({ code: 'CONFIRM_MISMATCH' })
    const swapping = live?.swap(manifest, confirm.replace(/\/\d+\//, '/1/'), '[]', {
      context: contextFor(),
      source: stage.artifacts(),
      dir: stage.scratchRoot,
      choice: {},
    })
    await expect(swapping).rejects.toMatchObject({ code: 'CONFIRM_MISMATCH' })
  })
})
