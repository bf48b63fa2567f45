/** Recovery points in a second repository, on folders. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { copyPoint } from '../../../src/catalog/copy.ts'
import { bringAllNotes, compareCopies } from '../../../src/catalog/copy-notes.ts'
import { manifestKey, proofsPrefix } from '../../../src/catalog/keys.ts'
import type { Manifest } from '../../../src/core/records.ts'
import { createFolderStore } from '../../../src/storage/folder.ts'
import { readAll, type Store } from '../../../src/storage/store.ts'
import { addPoint, catalogOn, keysIn, manifestOf, proofOf, putArtifact, SIGNING, stranger, verifier } from '../../support/catalog.ts'
import { createFaultyStore } from '../../support/faulty.ts'

const ID = '20260115_120000_manual'
const CHILD = '20260116_120000_incremental'
const LARGE = Buffer.alloc(9 * 1024 * 1024, 'large')
const PARTS = ['a', 'b', 'large']

let dir: string
let here: Store
let there: Store
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'hf-copy-'))
  for (const name of ['here', 'there']) await mkdir(join(dir, name))
  here = await createFolderStore(join(dir, 'here'))
  there = await createFolderStore(join(dir, 'there'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const copy = (id = ID, options = {}, to = there, from = here) => copyPoint({ store: from, verifier }, to, { source: 'orders', id }, options)
const path = (store: 'here' | 'there', key: string) => join(dir, store, key)

async function takePoint(id = ID): Promise<Manifest> {
  const bodies = { a: Buffer.from('small a'), b: Buffer.from('small b'), large: LARGE }
  const artifacts = await Promise.all(Object.entries(bodies).map(([part, body]) => putArtifact(here, 'orders', id, part, body)))
  const manifest = manifestOf('orders', id, artifacts)
  await catalogOn(here).publishManifest(manifest)
  return manifest
}

async function pendingIn(store: Store): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of store.pendingUploads('')) keys.push(key)
  return keys
}

async function contentOf(store: Store): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const key of await keysIn(store)) found[key] = (await readAll(store, key)).toString('base64')
  return found
}

const hold = (held: boolean, at: string) =>
  catalogOn(here).addHold({ format: 'holdfast/v1', type: 'hold', source: 'orders', id: ID, held, actor: 'ana', reason: 'audit', at })
const prove = async (depth: 'list' | 'read' | 'restore' | 'full', completedAt: string, ok = true, on = here) => {
  const { manifest, digest } = await catalogOn(on).readManifest('orders', ID)
  await catalogOn(on).appendProof(proofOf(manifest, digest, { depth, completedAt, ok }))
}

describe('a copy', () => {
  it('is the same objects under the same keys, and is trusted there', async () => {
    await takePoint()
    expect(await copy()).toEqual({ id: ID, objects: 3, bytes: LARGE.length + 14, problems: [] })
    expect(await contentOf(there)).toEqual(await contentOf(here))
    expect(await catalogOn(there).survey('orders')).toMatchObject({ points: [{ id: ID }], problems: [] })
  })

  it('has its manifest last', async () => {
    await takePoint()
    const written: string[] = []
    const watched: Store = {
      ...there,
      put: (key, body, options) => {
        written.push(key)
        return there.put(key, body, options)
      },
      async startUpload(key) {
        const upload = await there.startUpload(key)
        return { ...upload, complete: (whole) => upload.complete(whole).finally(() => written.push(key)) }
      },
    }
    await hold(true, '2026-01-16T00:00:00Z')
    await copy(ID, {}, watched)
    expect(written).toHaveLength(5)
    expect(written.at(-1)).toBe(manifestKey('orders', ID))
  })

  it('is not made of an object that is damaged where it comes from, and leaves nothing of it', async () => {
    const { artifacts } = await takePoint()
    const key = artifacts[2]?.key ?? ''
    const bad = Buffer.from(LARGE)
    bad[LARGE.length - 1] = 0
    await writeFile(path('here', key), bad)
    await expect(copy()).rejects.toMatchObject({ code: 'INTEGRITY', object: key })
    expect(await keysIn(there)).toEqual(artifacts.slice(0, 2).map((artifact) => artifact.key))
    expect(await pendingIn(there)).toEqual([])
    await writeFile(path('here', key), LARGE.subarray(1))
    await expect(copy()).rejects.toMatchObject({ code: 'INTEGRITY', object: key })
    await rm(path('here', artifacts[0]?.key ?? ''))
    await rm(path('there', artifacts[0]?.key ?? ''))
    await expect(copy()).rejects.toMatchObject({ code: 'INTEGRITY', object: artifacts[0]?.key })
  })

  it('is refused of a point that somebody else signed', async () => {
    await addPoint(here, ID, {}, catalogOn(here, stranger))
    await expect(copy()).rejects.toMatchObject({ code: 'SIGNATURE_INVALID' })
    expect(await keysIn(there)).toEqual([])
  })

  it('leaves another manifest that stands there alone', async () => {
    await takePoint()
    await addPoint(there, ID)
    const before = await contentOf(there)
    for (const again of [false, true]) await expect(copy(ID, { again })).rejects.toMatchObject({ code: 'STORE_CONFLICT' })
    expect(await contentOf(there)).toEqual(before)
  })

  it('needs the copies of what the point needs', async () => {
    const parent = await takePoint()
    const own = await putArtifact(here, 'orders', CHILD, 'new')
    const child = manifestOf('orders', CHILD, [own, { ...(parent.artifacts[0] as typeof own), part: 'old' }], { parents: [ID] })
    await catalogOn(here).publishManifest(child)
    await expect(copy(CHILD)).rejects.toMatchObject({ code: 'NOT_FOUND', object: ID })
    expect(await keysIn(there)).toEqual([])
    await copy()
    const reads = createFaultyStore(there)
    expect(await copy(CHILD, {}, reads)).toMatchObject({ objects: 1 })
    expect(await catalogOn(there).survey('orders')).toMatchObject({ points: [{ id: ID }, { id: CHILD }], problems: [] })
    // What the parent's copy has is not read again for each point that shares it.
    expect(reads.calls.get).toBe(0)
  })

  it('is not made where the run was given up meanwhile', async () => {
    await takePoint()
    const stillWanted = () => Promise.reject(new Error('given up'))
    await expect(copy(ID, { stillWanted })).rejects.toThrow('given up')
    expect(await keysIn(there)).not.toContain(manifestKey('orders', ID))
  })
})

describe('a copy that is made again', () => {
  it('sends nothing that is there', async () => {
    await takePoint()
    await copy()
    const from = createFaultyStore(here)
    expect(await copy(ID, {}, there, from)).toMatchObject({ objects: 0, bytes: 0 })
    expect(from.calls.get).toBe(2)
  })

  it.each(['upload', 'manifest'])(
    'after its worker was killed at the %s sends the rest only, and nothing was to be seen until then',
    async (standsAt) => {
      await takePoint()
      const publicKeys = { [SIGNING.keyId]: SIGNING.publicKey }
      const order = { from: join(dir, 'here'), to: join(dir, 'there'), source: 'orders', id: ID, publicKeys, standsAt }
      const worker = spawn(process.execPath, [join(import.meta.dirname, '../../support/copy-child.ts'), JSON.stringify(order)])
      await once(worker.stdout, 'data')
      const ended = once(worker, 'exit')
      worker.kill('SIGKILL')
      await ended
      expect(await catalogOn(there).survey('orders')).toEqual({ points: [], problems: [] })
      expect(await pendingIn(there)).toHaveLength(standsAt === 'upload' ? 1 : 0)
      expect(await copy()).toMatchObject({ objects: standsAt === 'upload' ? 1 : 0 })
      expect(await contentOf(there)).toEqual(await contentOf(here))
      expect(await pendingIn(there)).toEqual([])
    },
  )

  it('replaces what an earlier try left and is not the object', async () => {
    const { artifacts } = await takePoint()
    for (const { key, storedBytes } of artifacts) await there.put(key, Buffer.alloc(storedBytes, 'x'), { ifAbsent: true })
    expect(await copy()).toMatchObject({ objects: PARTS.length })
    expect(await contentOf(there)).toEqual(await contentOf(here))
  })

  it('goes on where a connection broke', async () => {
    await takePoint()
    const from = createFaultyStore(here)
    from.failNext('get', 'cut')
    await expect(copy(ID, {}, there, from)).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
    expect(await copy(ID, {}, there, from)).toMatchObject({ objects: 3 })
  })

  it('replaces what a proof found damaged there', async () => {
    const { artifacts } = await takePoint()
    await copy()
    const key = artifacts[2]?.key ?? ''
    const bad = Buffer.from(LARGE)
    bad[5] = 0
    await writeFile(path('there', key), bad)
    expect(await copy()).toMatchObject({ objects: 0 })
    expect(await copy(ID, { again: true })).toMatchObject({ objects: 1 })
    expect(await contentOf(there)).toEqual(await contentOf(here))
  })

  it('says of a damaged object that is locked that it stays', async () => {
    const { artifacts } = await takePoint()
    await copy()
    const key = artifacts[0]?.key ?? ''
    await writeFile(path('there', key), 'damage!')
    const locked: Store = { ...there, delete: async () => 'locked' }
    await expect(copy(ID, { again: true }, locked)).rejects.toMatchObject({ code: 'OBJECT_LOCKED', object: key })
  })
})

describe('what is said about a point', () => {
  it('goes along where it holds of any copy: holds and restores, not looks at the objects of one repository', async () => {
    await takePoint()
    await hold(true, '2026-01-16T00:00:00Z')
    await prove('read', '2026-01-16T01:00:00Z')
    await prove('full', '2026-01-16T02:00:00Z')
    await copy()
    expect(await catalogOn(there).holdsOf('orders', ID)).toEqual(await catalogOn(here).holdsOf('orders', ID))
    expect((await catalogOn(there).proofsOf('orders', ID)).map(({ depth }) => depth)).toEqual(['full'])
    expect(await catalogOn(there).listPoints('orders')).toMatchObject([{ held: true, good: true }])
  })

  it('follows the copy that is there already: a hold, its release, a restore that failed', async () => {
    await takePoint()
    await copy()
    await hold(true, '2026-01-17T00:00:00Z')
    await prove('full', '2026-01-17T01:00:00Z')
    await bringAllNotes({ store: here, verifier }, there, 'orders')
    expect(await catalogOn(there).listPoints('orders')).toMatchObject([{ held: true, good: true }])
    await hold(false, '2026-01-18T00:00:00Z')
    await prove('full', '2026-01-18T01:00:00Z', false)
    await prove('read', '2026-01-18T02:00:00Z', false)
    expect(await bringAllNotes({ store: here, verifier }, there, 'orders')).toEqual([])
    expect(await catalogOn(there).listPoints('orders')).toMatchObject([{ held: false, good: false, proof: { depth: 'full', ok: false } }])
    const before = await contentOf(there)
    await bringAllNotes({ store: here, verifier }, there, 'orders')
    expect(await contentOf(there)).toEqual(before)
  })

  it('stays and is told where it cannot be trusted', async () => {
    await takePoint()
    const { manifest, digest } = await catalogOn(here).readManifest('orders', ID)
    await catalogOn(here, stranger).appendProof(proofOf(manifest, digest))
    await here.put(`${proofsPrefix('orders', ID)}20250101T000000000Z.json`, await signedElsewhen(), { ifAbsent: true })
    const { problems } = await copy()
    expect(problems).toEqual([expect.stringContaining('it is of'), expect.stringContaining('changed after it was signed')])
    expect(await catalogOn(there).proofsOf('orders', ID)).toEqual([])
  })

  it('tells which copies were looked at where they are', async () => {
    await takePoint()
    await prove('full', '2026-01-16T02:00:00Z')
    await copy()
    expect(await compareCopies(here, there, 'orders')).toMatchObject([{ id: ID, looked: false, notes: [] }])
    await prove('read', '2026-01-16T03:00:00Z', true, there)
    expect(await compareCopies(here, there, 'orders')).toMatchObject([{ id: ID, looked: true }])
    await there.delete(manifestKey('orders', ID))
    expect(await compareCopies(here, there, 'orders')).toEqual([])
  })
})

it('the record of a set follows the copies of its points', async () => {
  await takePoint()
  const record = (id: string, point: string) => ({
    format: 'holdfast/v1' as const,
    type: 'set' as const,
    set: 'all',
    id,
    createdAt: '2026-01-15T12:00:00Z',
    completedAt: '2026-01-15T12:01:00Z',
    complete: true,
    members: [{ source: 'orders', repository: 'hot', required: true, after: [], barrier: {}, id: point }],
    checks: [],
    workflowId: 'w',
    runId: 'r',
  })
  const [known, other] = [record('20260115_120000_all', ID), record('20260116_120000_all', CHILD)]
  for (const set of [known, other]) await catalogOn(here).publishSet(set)
  await catalogOn(here, stranger).publishSet(record('20260117_120000_all', ID))
  expect(await catalogOn(here).bringNotes(there, 'orders')).toEqual([expect.stringContaining('20260117_120000_all')])
  expect(await catalogOn(there).listSets('all')).toEqual([])
  await copy()
  for (const _ of [1, 2]) expect(await catalogOn(here).bringNotes(there, 'orders')).toHaveLength(1)
  expect(await catalogOn(there).listSets('all')).toMatchObject([known])
})

/** A proof of its own, under the name of another time. */
async function signedElsewhen(): Promise<Buffer> {
  await prove('full', '2026-01-20T00:00:00Z')
  const key = `${proofsPrefix('orders', ID)}20260120T000000000Z.json`
  const bytes = await readAll(here, key)
  await here.delete(key)
  return bytes
}
