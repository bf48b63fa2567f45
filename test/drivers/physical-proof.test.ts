/** Shallow proofs of physical points, through the workflows: the engine is asked, and what it lacks is told. */
import { readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createProofActivities, type ProofResult } from '../../activities/proof.ts'
import type { Services } from '../../activities/services.ts'
import type { Catalog } from '../../src/catalog/catalog.ts'
import type { Manifest, Proof, Reference } from '../../src/core/records.ts'
import { catalogOn } from '../support/catalog.ts'
import { createPhysicalSource, type PhysicalSource, STANZA } from '../support/physical.ts'
import { endOf, sourceFakes } from '../support/workflows/source.ts'
import { openStage, type Stage } from '../support/workflows/stage.ts'

const OTHER = '20260115_120000_full'
const FULL = '20260116_120000_full'
const INCREMENTAL = '20260117_120000_incremental'
let stage: Stage
let source: PhysicalSource
let catalog: Catalog
const points = new Map<string, Manifest>()

beforeAll(async () => {
  stage = await openStage()
  source = await createPhysicalSource({ cipherPass: 'a passphrase' })
  catalog = catalogOn(source.store)
  for (const [id, kind] of [
    [OTHER, 'full'],
    [FULL, 'full'],
    [INCREMENTAL, 'incremental'],
  ] as const) {
    const manifest = await source.take(id, kind)
    await catalog.publishManifest(manifest)
    points.set(id, manifest)
  }
})
afterAll(async () => {
  await source?.destroy()
  await stage?.close()
})

let serial = 0
async function prove(id: string, depth: Proof['depth'], drive: object = source.driver): Promise<ProofResult | { code: string }> {
  const driver = async () => drive
  const services = {
    config: { encryption: { identityFile: source.identity.file }, sources: { orders: source.config } },
    store: async () => source.store,
    catalog: async () => catalog,
    driver,
    repositoryDriver: driver,
  } as unknown as Services
  const { proveRestore } = createProofActivities(services)
  return stage.play(sourceFakes({ resolvePoint: async () => ({ id }), proveRestore }), async () => {
    const input = { source: 'orders', recoveryPoint: id, depth }
    const workflowId = `proof-${++serial}`
    const run = await stage.client.workflow.start('verifyRestore', { taskQueue: 'holdfast', workflowId, args: [input] })
    return run.result().catch(() => endOf(run.result()))
  })
}
const newest = async (id: string) => (await catalog.proofsOf('orders', id)).at(-1) as Proof
const failed = async (id: string) => (await newest(id)).assertions.filter(({ ok }) => !ok).map(({ name }) => name)
const referenceOf = (id: string) => points.get(id)?.reference as Reference
const folderOf = (id: string) => join(source.root, 'repo/backup', STANZA, referenceOf(id).label)

/** While `act` runs, the largest file of the backup has other bytes, as a bad disk gives them. */
async function damaged(id: string, act: () => Promise<void>): Promise<void> {
  const entries = (await readdir(folderOf(id), { recursive: true, withFileTypes: true })).filter(({ name }) => name.endsWith('.lz4'))
  const files = await Promise.all(
    entries.map(async ({ parentPath, name }) => ({ path: join(parentPath, name), bytes: await readFile(join(parentPath, name)) })),
  )
  const [largest] = files.sort((a, b) => b.bytes.length - a.bytes.length)
  if (!largest) throw new Error('the backup has no file')
  const bytes = Buffer.from(largest.bytes)
  bytes.writeInt32LE(bytes.readInt32LE(9000) ^ 0xff00ff, 9000)
  await writeFile(largest.path, bytes)
  await act().finally(() => writeFile(largest.path, largest.bytes))
}

describe('a proof of a physical point', () => {
  test('of depth list names the backup, those it needs and the engine’s manifest', async () => {
    expect(await prove(INCREMENTAL, 'list')).toMatchObject({ ok: true })
    const { label, needs } = referenceOf(INCREMENTAL)
    expect(needs).toEqual([referenceOf(FULL).label])
    expect((await newest(INCREMENTAL)).assertions.map(({ name }) => name)).toEqual([
      'object passphrase',
      expect.stringMatching(/^object wal\/[0-9A-F]{24}$/),
      `backup ${label}`,
      `backup ${needs[0]}`,
      `engine manifest ${label}`,
    ])
  })

  test('of depth read has the engine read its repository, and passes where nothing is wrong', async () => {
    expect(await prove(INCREMENTAL, 'read')).toMatchObject({ ok: true })
    expect((await newest(INCREMENTAL)).assertions.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['engine repository', 'read passphrase']),
    )
  })

  test('of depth read fails where a file of the backup, or of one that it needs, is damaged', async () => {
    await damaged(FULL, async () => {
      for (const id of [FULL, INCREMENTAL]) {
        expect(await prove(id, 'read')).toMatchObject({ code: 'VERIFY_FAILED' })
        expect(await failed(id)).toEqual(['engine repository'])
      }
    })
    expect(await prove(FULL, 'read')).toMatchObject({ ok: true })
  })

  test('of depth read does not fail for damage to a backup that this point does not need', async () => {
    await damaged(OTHER, async () => {
      expect(await prove(INCREMENTAL, 'read')).toMatchObject({ ok: true })
      expect(await prove(OTHER, 'read')).toMatchObject({ code: 'VERIFY_FAILED' })
    })
  })

  test('fails where the engine’s manifest is gone, or is another than the one recorded', async () => {
    const file = join(folderOf(FULL), 'backup.manifest')
    const name = `engine manifest ${referenceOf(FULL).label}`
    const bytes = await readFile(file)
    await rename(file, `${file}.away`)
    try {
      expect(await prove(FULL, 'list')).toMatchObject({ code: 'VERIFY_FAILED' })
      expect(await failed(FULL)).toEqual([name])
      await writeFile(file, Buffer.concat([bytes, Buffer.from(' ')]))
      expect(await prove(FULL, 'read')).toMatchObject({ code: 'VERIFY_FAILED' })
      expect(await failed(FULL)).toEqual([name])
    } finally {
      await rename(`${file}.away`, file)
    }
  })

  test('fails where the driver cannot ask the engine', async () => {
    const { listReference: _, verifyRepository: __, ...mute } = source.driver
    expect(await prove(FULL, 'list', mute)).toMatchObject({ code: 'VERIFY_FAILED' })
    expect(await failed(FULL)).toEqual(['engine'])
  })

  // Last: it takes the backup away for good.
  test('fails at every shallow depth once the backup is gone from the repository', async () => {
    await source.driver.expirePoint(referenceOf(OTHER).label)
    for (const depth of ['list', 'read'] as const) {
      expect(await prove(OTHER, depth)).toMatchObject({ code: 'VERIFY_FAILED' })
      expect(await failed(OTHER)).toContain(`backup ${referenceOf(OTHER).label}`)
    }
  })
})

describe('a point with nothing to look at', () => {
  const EMPTY = '20260118_120000_manual'
  beforeAll(async () => {
    const { reference: _, ...bare } = points.get(FULL) as Manifest
    await catalog.publishManifest({ ...bare, id: EMPTY, kind: 'manual', artifacts: [] })
  })

  test('is not proved by looking at it', async () => {
    for (const depth of ['list', 'read'] as const) {
      expect(await prove(EMPTY, depth)).toMatchObject({ code: 'VERIFY_FAILED' })
      expect(await newest(EMPTY)).toMatchObject({ ok: false, assertions: [{ name: 'something to look at', ok: false }] })
    }
  })
})
