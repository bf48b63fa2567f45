/** Points whose keys were rotated: read by whoever a note lets in, and kept, deleted and trusted as all notes are. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Catalog } from '../../../src/catalog/catalog.ts'
import { dataPrefix, rotationsPrefix } from '../../../src/catalog/keys.ts'
import { openFor, ownEncrypted } from '../../../src/catalog/rotated.ts'
import type { Artifact, KeyNote, Manifest } from '../../../src/core/records.ts'
import { createSink } from '../../../src/pipeline/capture.ts'
import { fileKeyOf, headerFor, readHeader } from '../../../src/pipeline/age-header.ts'
import { identitiesIn } from '../../../src/pipeline/age-keys.ts'
import { createSource } from '../../../src/pipeline/read.ts'
import { readBack } from '../../../src/pipeline/read-back.ts'
import { createMemoryStore, type MemoryStore } from '../../../src/storage/memory.ts'
import { readAll } from '../../../src/storage/store.ts'
import { type Identity, makeIdentity } from '../../support/age.ts'
import { catalogOn, keysIn, manifestOf, stranger } from '../../support/catalog.ts'

const ID = '20251018_214530_manual'
const CHILD = '20251019_214530_incremental'
const TEXT = 'what was written down\n'.repeat(20_000)
let dir: string
let old: Identity
let next: Identity
let other: Identity
let store: MemoryStore
let catalog: Catalog
let artifact: Artifact
let manifest: Manifest

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-rotated-'))
  const named = (name: string) => makeIdentity(dir, name)
  ;[old, next, other] = [await named('old'), await named('next'), await named('other')]
})
afterAll(() => rm(dir, { recursive: true, force: true }))
beforeEach(async () => {
  store = createMemoryStore()
  catalog = catalogOn(store)
  artifact = await stored(ID, 'database')
  manifest = manifestOf('orders', ID, [artifact], { encryption: { recipients: [old.recipient] } })
  await catalog.publishManifest(manifest)
})

async function stored(id: string, part: string): Promise<Artifact> {
  const sink = createSink({ store, prefix: dataPrefix('orders', id), attempt: 1, recipients: [old.recipient] })
  return sink.storeBytes({ part, role: part, required: true, bytes: Buffer.from(TEXT) })
}

async function noteFor(recipients: string[], at = '2026-01-02T03:04:05.678Z', from = artifact): Promise<KeyNote> {
  const fileKey = fileKeyOf(await readHeader(store, from.key), await identitiesIn(old.file), from.key)
  if (!fileKey) throw new Error('not opened')
  const headers = [{ key: from.key, header: headerFor(fileKey, recipients).toString() }]
  return { format: 'holdfast/v1', type: 'keys', source: 'orders', id: ID, at, recipients, headers, workflowId: 'rotate', runId: 'run' }
}

/** What somebody with this identity reads. */
async function readBy({ file }: Identity, wanted = artifact): Promise<string> {
  const source = createSource({ store, identityFile: file, headersOf: catalog.headers() })
  const chunks: Buffer[] = []
  for await (const chunk of await source.read(wanted)) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
const WRONG = { code: 'KEY_WRONG', object: expect.stringContaining('database') }

describe('a note of keys', () => {
  it('lets its recipients read the point, and keeps nobody out who could before', async () => {
    await expect(readBy(next)).rejects.toMatchObject(WRONG)
    await catalog.addKeys(await noteFor([next.recipient]))
    expect(await readBy(next)).toBe(TEXT)
    expect(await readBy(old)).toBe(TEXT)
    await expect(readBy(other)).rejects.toMatchObject(WRONG)
  })

  it('counts beside those after it: whom an earlier one lets in stays in', async () => {
    await catalog.addKeys(await noteFor([next.recipient]))
    await catalog.addKeys(await noteFor([other.recipient], '2026-02-02T03:04:05.678Z'))
    expect(await readBy(next)).toBe(TEXT)
    expect(await readBy(other)).toBe(TEXT)
    expect(openFor(manifest, await catalog.keysOf('orders', ID))).toEqual([old.recipient, next.recipient, other.recipient])
  })

  it('opens the objects that a later point shares, for it as well', async () => {
    const own = await stored(CHILD, 'added')
    const child = manifestOf('orders', CHILD, [artifact, own], { parents: [ID] })
    expect(ownEncrypted(child)).toEqual([own])
    await catalog.addKeys(await noteFor([next.recipient]))
    expect(await readBy(next, child.artifacts[0])).toBe(TEXT)
    await expect(readBy(next, own)).rejects.toMatchObject({ code: 'KEY_WRONG', object: own.key })
  })

  it('changes nothing about damage: what is stored is compared with the manifest all the same', async () => {
    await catalog.addKeys(await noteFor([next.recipient]))
    await readBack(store, artifact, { identityFile: next.file, headersOf: catalog.headers() })
    const body = Buffer.from(await readAll(store, artifact.key))
    body[body.length - 20] = (body[body.length - 20] as number) ^ 1
    store.overwrite(artifact.key, body)
    const unseen = { ...store, head: async (key: string) => ({ key, size: artifact.storedBytes, modified: new Date() }) }
    const reading = readBack(unseen, artifact, { identityFile: next.file, headersOf: catalog.headers() })
    await expect(reading).rejects.toMatchObject({ code: 'INTEGRITY', object: artifact.key })
  })

  it('is read once for all artifacts of a point, and not at all where the object itself opens', async () => {
    await catalog.addKeys(await noteFor([next.recipient]))
    const asked: string[] = []
    const log = (key: string, options?: object) => {
      asked.push(key)
      return store.get(key, options)
    }
    const counting = { ...store, get: log }
    const headersOf = catalogOn(counting).headers()
    const notes = () => asked.filter((key) => key.startsWith(rotationsPrefix('orders', ID))).length
    await readBack(store, artifact, { identityFile: old.file, headersOf })
    expect(notes()).toBe(0)
    await readBack(store, artifact, { identityFile: next.file, headersOf })
    await readBack(store, artifact, { identityFile: next.file, headersOf })
    expect(notes()).toBe(1)
  })

  it('is refused for a point that is not there', async () => {
    const note = { ...(await noteFor([next.recipient])), id: CHILD }
    await expect(catalog.addKeys(note)).rejects.toMatchObject({ code: 'NOT_FOUND', object: CHILD })
  })
})

describe('a note that cannot be trusted', () => {
  it('keeps nobody from a point that opens without it, and is named where nothing else does', async () => {
    const planted = await catalogOn(store, stranger).addKeys(await noteFor([other.recipient], '2026-03-02T03:04:05.678Z'))
    expect(await readBy(old)).toBe(TEXT)
    await expect(readBy(other)).rejects.toMatchObject({ code: 'SIGNATURE_INVALID', object: planted })
    await catalog.addKeys(await noteFor([next.recipient]))
    expect(await readBy(next)).toBe(TEXT)
    await expect(catalog.keysOf('orders', ID)).rejects.toMatchObject({ code: 'SIGNATURE_INVALID' })
  })

  it('of another point, or of another time than its name says, is misplaced', async () => {
    const elsewhere = await catalog.addKeys(await noteFor([next.recipient]))
    await store.put(elsewhere.replace('20260102', '20270102'), Buffer.from(await text(elsewhere)), { ifAbsent: true })
    await expect(catalog.keysOf('orders', ID)).rejects.toMatchObject({
      code: 'INTEGRITY',
      message: expect.stringContaining('it is of 2026'),
    })
  })
})

describe('what becomes of a point', () => {
  it('its notes stay when leftovers are cleared, and go with it', async () => {
    const key = await catalog.addKeys(await noteFor([next.recipient]))
    await catalog.settle('orders', ID)
    expect(await keysIn(store)).toContain(key)
    const { deleted } = await catalog.deletePoint('orders', ID)
    expect(deleted).toContain(key)
    expect(deleted[0]).toMatch(/manifest\.json$/)
    expect(await keysIn(store)).toEqual([])
  })

  it('an identity file that age cannot use is still told as such', async () => {
    await catalog.addKeys(await noteFor([next.recipient]))
    const file = join(dir, 'nonsense')
    await writeFile(file, 'nonsense\n')
    await expect(readBy({ file, recipient: '' })).rejects.toMatchObject({ code: 'KEY_WRONG' })
  })
})

const text = async (key: string): Promise<string> => (await readAll(store, key)).toString()
