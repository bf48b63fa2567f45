/** What goes wrong around a capture of Qdrant, on the stand-in: nothing damaged becomes a point, nothing is left on the server. */
import { truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CaptureRequest, Snapshot } from '../../src/drivers/driver.ts'
import { createSink } from '../../src/pipeline/capture.ts'
import { contextFor, failures, nextRequest, takePoint } from '../conformance/driver.ts'
import { leftOn } from '../support/qdrant.ts'
import { openStage, type Stage } from '../support/qdrant-stage.ts'
import { manifestOf } from '../support/manifest.ts'

let stage: Stage
beforeEach(async () => {
  stage = await openStage()
})
afterEach(() => stage.close())

const snapshot = async (request: CaptureRequest): Promise<Snapshot> => (await stage.driver.snapshot?.(contextFor(), request)) ?? {}
const remove = ({ id }: CaptureRequest) => stage.driver.removeSnapshot?.(contextFor(), id)
const capture = async (request: CaptureRequest, snapshot: Snapshot) => {
  const { store, identity } = stage.repository
  const sink = createSink({
    store,
    prefix: `holdfast/v1/vectors/${request.id}/data/`,
    attempt: request.attempt,
    recipients: [identity.recipient],
  })
  const captured = await stage.driver.capture(contextFor(), { ...request, snapshot }, sink)
  return manifestOf('qdrant', request, captured, { qdrant: '1.19.0' })
}
const theOne = async (collection: string) => {
  const [made] = await stage.client.listSnapshots(collection)
  return made?.name ?? ''
}

describe('a snapshot that does not come as it was made', () => {
  it('is no point where its checksum is another', async () => {
    await stage.server.fail({ method: 'POST', path: '/collections/docs/snapshots', wrongChecksum: true })
    const taking = takePoint(stage.driver, stage.repository, nextRequest())
    await expect(taking).rejects.toMatchObject({
      code: 'INTEGRITY',
      message: expect.stringMatching(/with SHA-256 [0-9a-f]{64}; Qdrant made \d+ bytes with 0{64}/),
    })
    expect(await leftOn(stage.client)).toEqual([])
  })

  it('is taken once more where the connection broke in the middle', async () => {
    const request = nextRequest()
    const made = await snapshot(request)
    await stage.server.fail({ method: 'GET', path: '/collections/docs/snapshots/*', cutAfterBytes: 5000 })
    await expect(capture(request, made)).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE', retryable: true })
    const manifest = await capture({ ...request, attempt: 2 }, made)
    await remove(request)
    expect(failures(await stage.proof(manifest))).toEqual([])
    expect(await leftOn(stage.client)).toEqual([])
  })

  it('is no point where it ends early and the server says nothing of that', async () => {
    const request = nextRequest()
    const made = await snapshot(request)
    await truncate(join(stage.server.dir, 'snapshots/docs', await theOne('docs')), 4096)
    await expect(capture(request, made)).rejects.toMatchObject({
      code: 'INTEGRITY',
      retryable: true,
      message: expect.stringContaining('came as 4096 bytes'),
    })
    await remove(request)
    expect(await leftOn(stage.client)).toEqual([])
  })
})

describe('a collection that is written to meanwhile', () => {
  it('is compared by its count and by points that stayed the same, and the point says so', async () => {
    const request = nextRequest()
    const made = await snapshot(request)
    await stage.client.upsert('docs', { wait: true, points: [{ id: 3, vector: {}, payload: { n: 'another' } }] })
    await stage.client.upsert('docs', { wait: true, points: [{ id: 5000, vector: {}, payload: {} }] })
    const manifest = await capture(request, made)
    expect(manifest.warnings).toEqual(['docs was written to meanwhile: a proof compares its counts and the points of a sample'])
    expect(manifest.inventory?.['collection docs']).toMatchObject({ points: 61, sampled: 60 })
    expect(manifest.inventory?.['collection docs']).not.toHaveProperty('payloads')
    // The snapshot is of the moment before.
    const assertions = await stage.proof(manifest)
    expect(failures(assertions)).toEqual([])
    expect(assertions.find(({ name }) => name === 'sample of docs')).toMatchObject({ expected: '60 points equal' })
    expect(assertions.find(({ name }) => name === 'content of docs')).toBeUndefined()
    expect(assertions.find(({ name }) => name === 'content of images')).toBeDefined()
  })

  it('is compared in full where the same points were only written again', async () => {
    const request = nextRequest()
    const made = await snapshot(request)
    await stage.client.upsert('images', { wait: true, points: [{ id: 3, vector: [3, 1, 2, 3 / 7], payload: { n: 3 } }] })
    const manifest = await capture(request, made)
    expect(manifest.warnings).toEqual([])
    expect(failures(await stage.proof(manifest))).toEqual([])
  })

  it('may have a count that nobody knows exactly: then it is compared with both', async () => {
    const request = nextRequest()
    let written: Promise<unknown> = Promise.resolve()
    const context = contextFor(({ phase }) => {
      if (phase === 'snapshot of images')
        written = stage.client.upsert('images', { wait: true, points: [{ id: 900, vector: [1, 2, 3, 4] }] })
      return false
    })
    await stage.server.fail({ method: 'POST', path: '/collections/images/snapshots', delayMs: 500 })
    const made = (await stage.driver.snapshot?.(context, request)) ?? {}
    await written
    const manifest = await capture(request, made)
    await remove(request)
    expect(manifest.inventory?.['collection images']).toMatchObject({ 'points from': 20, 'points to': 21 })
    expect(failures(await stage.proof(manifest))).toEqual([])
    const few = structuredClone(manifest)
    Object.assign(few.inventory?.['collection images'] ?? {}, { 'points from': 22, 'points to': 23 })
    expect(failures(await stage.proof(few)).map(({ name, expected }) => [name, expected.split(',')[0]])).toEqual([
      ['collection images', 'points 22 to 23'],
    ])
  })

  it('is left out where it was removed, with a word of it; the others are in the point', async () => {
    const request = nextRequest()
    const made = await snapshot(request)
    await stage.client.deleteCollection('images')
    const manifest = await capture(request, made)
    await remove(request)
    expect(manifest.warnings).toEqual(['images was removed while it was backed up, and is not in this point'])
    expect(Object.keys(manifest.inventory ?? {}).filter((name) => name.includes('images'))).toEqual([])
    expect(failures(await stage.proof(manifest))).toEqual([])
    expect(await leftOn(stage.client)).toEqual([])
  })
})

it('a collection that was removed before its snapshot is said to be lacking', async () => {
  const request = nextRequest()
  let removed: Promise<unknown> = Promise.resolve()
  const context = contextFor(({ phase }) => {
    if (phase === 'snapshot of images') removed = stage.client.deleteCollection('images')
    return false
  })
  await stage.server.fail({ path: '/collections/images/cluster', delayMs: 500 })
  const made = (await stage.driver.snapshot?.(context, request)) ?? {}
  await removed
  const manifest = await capture(request, made)
  await remove(request)
  expect(manifest.warnings).toEqual(['images was removed while it was backed up, and is not in this point'])
  expect(await leftOn(stage.client)).toEqual([])
})

it('a collection beyond digestUpTo is read once, and compared by a sample', async () => {
  await stage.configure({ compare: { digestUpTo: 60, sample: 30 } })
  const manifest = await stage.point()
  expect(manifest.warnings).toEqual([expect.stringContaining('docs has more than 60 points')])
  expect(manifest.inventory?.['collection docs']).toMatchObject({ points: 61, sampled: 30 })
  expect(manifest.inventory?.['export of docs']).toMatchObject({ points: 61 })
  expect(failures(await stage.proof(manifest))).toEqual([])
})

it('an export that fails is a warning, or the end, as configured; the snapshot is what counts', async () => {
  const broken = { method: 'POST', path: '/collections/docs/points/scroll', status: 400, error: 'Bad request: ordered' } as const
  await stage.configure({ compare: { digestUpTo: 0, sample: 0 } })
  await stage.server.fail(broken)
  const manifest = await stage.point()
  expect(manifest.warnings[0]).toMatch(/^docs was not exported: .*ordered/)
  expect(manifest.artifacts.filter(({ role }) => role === 'export').map(({ part, required }) => [part, required])).toEqual([
    ['collections/images/export', false],
  ])
  await stage.configure({ compare: { digestUpTo: 0, sample: 0 }, export: { optional: false } })
  await stage.server.fail(broken)
  await expect(stage.point()).rejects.toMatchObject({ code: 'SOURCE_UNFIT' })
  expect(await leftOn(stage.client)).toEqual([])
})

it('a snapshot may take longer than any other answer; one that takes too long names the setting', async () => {
  await stage.configure({ timeouts: { request: '1s', snapshot: '30s' } })
  const slow = { method: 'POST', path: '/collections/docs/snapshots', delayMs: 2500 } as const
  await stage.server.fail(slow)
  expect((await stage.point()).artifacts.length).toBeGreaterThan(0)
  await stage.configure({ timeouts: { request: '30s', snapshot: '1s' } })
  await stage.server.fail(slow)
  await expect(stage.point()).rejects.toMatchObject({
    code: 'SOURCE_UNREACHABLE',
    message: expect.stringContaining('did not answer within 1 s: a snapshot of docs'),
    next: expect.stringContaining('timeouts.snapshot'),
  })
})

it('damage that only the server sees is a red proof, and what was uploaded of it goes too', async () => {
  const manifest = await stage.point()
  const noise = Buffer.from('this is no snapshot')
  const { store, identity } = stage.repository
  const sink = createSink({ store, prefix: 'holdfast/v1/vectors/damaged/data/', attempt: 1, recipients: [identity.recipient] })
  const artifact = await sink.storeBytes({ part: 'collections/docs/snapshot', role: 'snapshot', required: true, bytes: noise })
  const damaged = { ...manifest, artifacts: [artifact, ...manifest.artifacts.filter(({ part }) => part !== artifact.part)] }
  const red = failures(await stage.proof(damaged))
  expect(red.map(({ name, actual }) => [name, actual])).toEqual([['load of docs', expect.stringContaining('failed to unpack')]])
  expect(await leftOn(stage.client)).toEqual([])
  expect(await stage.snapshotFiles()).toEqual([])
  // Whoever wants to use it is told at once.
  const dir = join(stage.scratchRoot, 'used')
  const using = stage.driver.restore(contextFor(), damaged, stage.artifacts(), { dir, promote: true })
  await expect(using).rejects.toMatchObject({ code: 'INTEGRITY' })
  expect(await stage.snapshotFiles()).toEqual([])
})

it('what the server cannot read is a red proof, and a server that is busy is none at all', async () => {
  const manifest = await stage.point()
  const scrolled = { method: 'POST', path: '/collections/holdfast_scratch_*_images/points/scroll' } as const
  await stage.server.fail({ ...scrolled, status: 500, error: 'Service internal error: corrupted' })
  expect(failures(await stage.proof(manifest)).map(({ name, actual }) => [name, actual])).toEqual([
    ['content of images', expect.stringContaining('corrupted')],
  ])
  await stage.server.fail({ ...scrolled, status: 503 })
  await expect(stage.proof(manifest)).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE', retryable: true })
})

it('a server without any collection is backed up as one', async () => {
  for (const name of ['docs', 'images']) await stage.client.deleteCollection(name)
  const manifest = await stage.point()
  expect(manifest.inventory).toEqual({ aliases: { count: 0, digest: expect.any(String) } })
  await stage.configure({ collections: { include: ['docs'] } })
  const { findings } = await stage.driver.preflight(contextFor())
  expect(findings.filter(({ ok, required }) => required && !ok).map(({ detail }) => detail)).toEqual(['there is no collection docs'])
})

it('snapshots of other people stay, also one that was there before', async () => {
  const theirs = await stage.client.createSnapshot('docs')
  await writeFile(join(stage.server.dir, 'snapshots/docs/by-hand.snapshot'), 'theirs')
  await stage.point()
  expect((await stage.client.listSnapshots('docs')).map(({ name }) => name).sort()).toEqual(['by-hand.snapshot', theirs?.name].sort())
})
