import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Blake3Hasher } from '@napi-rs/blake-hash'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Manifest } from '../../src/core/records.ts'
import { createSink } from '../../src/pipeline/capture.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { createMemoryStore } from '../../src/storage/memory.ts'
import { contextFor, failures, openRepository, type Repository } from '../conformance/driver.ts'
import { adoptFrom, findIn } from '../support/adopt.ts'
import { makeStore, type Store } from '../support/rocksdb.ts'

let repository: Repository
let store: Store
let backups: string
beforeAll(async () => {
  repository = await openRepository()
})
afterAll(() => rm(repository.dir, { recursive: true, force: true }))
beforeEach(async () => {
  store = await makeStore()
  backups = join(store.dir, 'backups')
})
afterEach(() => store.remove())

/** As a manager of somebody's own keeps them: the store is closed, so a copy of its files is what a checkpoint would be. */
async function keep(id: string, metadata: object = {}): Promise<string> {
  const folder = join(backups, id)
  await mkdir(folder, { recursive: true })
  await cp(store.path, join(folder, 'data'), { recursive: true })
  const names = (await readdir(join(folder, 'data'))).sort()
  const hasher = new Blake3Hasher()
  let bytes = 0
  for (const name of names) {
    const content = await readFile(join(folder, 'data', name))
    hasher.update(content)
    bytes += content.length
  }
  const written = {
    id,
    backup_type: 'manual',
    created_at: '2025-10-18T21:45:30Z',
    size_bytes: bytes,
    file_count: names.length,
    checksum: hasher.digest('hex'),
    meridian_version: '0.1.0',
    description: 'Pre-deployment backup',
    schema_version: 2,
    verified: true,
    tags: ['deployment', 'production'],
    ...metadata,
  }
  await writeFile(join(folder, 'metadata.json'), JSON.stringify(written))
  return folder
}

async function treeOf(folder: string): Promise<string[]> {
  const names = (await readdir(folder, { recursive: true })).sort()
  return Promise.all(names.map(async (name) => `${name} ${(await stat(join(folder, name))).mtimeMs}`))
}

describe('a folder with metadata.json', () => {
  it('becomes a point with all that its metadata says, restores to the last key, and stays as it was', async () => {
    const folder = await keep('20251018_214530_manual')
    const before = await treeOf(backups)
    const contents = await store.contents()
    await store.put('later', 'than the backup')
    const [manifest] = (await adoptFrom(store.driver(), repository, [backups])) as [Manifest]
    expect(await treeOf(backups)).toEqual(before)
    expect(manifest).toMatchObject({
      kind: 'manual',
      createdAt: '2025-10-18T21:45:30.000Z',
      tags: ['adopted', 'deployment', 'production'],
      adopted: { from: folder },
      versions: { meridian: '0.1.0' },
      warnings: [],
    })
    const on = store.driver()
    const dir = join(store.dir, 'copy')
    const source = createSource({ store: repository.store, identityFile: repository.identity.file })
    const { target } = await on.restore(contextFor(), manifest, source, { dir })
    expect(failures(await on.verify(contextFor(), manifest, target, { depth: 'full', assertions: [] }))).toEqual([])
    expect(await store.contents(target.connection)).toBe(contents)
    await on.destroy({ dir })
  })

  it('keeps its own kind, words and schema version, and the order of time', async () => {
    await keep('20251018_020000_scheduled', { backup_type: 'scheduled', created_at: '2025-10-18T04:00:00+02:00', description: null })
    await keep('20251017_020000_strange', { backup_type: 'hourly', created_at: '2025-10-17T02:00:00Z', schema_version: 'v1' })
    const { backups: found } = await findIn(store.driver(), [backups])
    expect(found).toMatchObject([
      {
        kind: 'adopted',
        createdAt: '2025-10-17T02:00:00.000Z',
        schemaVersion: 'v1',
        description: expect.stringMatching(/^Pre-deployment backup; adopted from /),
      },
      { kind: 'scheduled', createdAt: '2025-10-18T02:00:00.000Z', schemaVersion: 2, description: expect.stringMatching(/^adopted from /) },
    ])
  })

  it('that its manager took before a restore is no safety backup of Holdfast, which would go with the next retention', async () => {
    await keep('20251018_214530_pre_restore', { backup_type: 'pre_restore' })
    const { backups: found } = await findIn(store.driver(), [backups])
    expect(found).toMatchObject([{ kind: 'adopted' }])
  })

  it('is found again as what was adopted, also where a verification has rewritten its metadata; its twin of another time is not it', async () => {
    await keep('a')
    const { backups: first } = await findIn(store.driver(), [backups])
    const known = new Set(first.map(({ origin }) => origin))
    await keep('a', { verified_at: '2025-10-19T00:00:00Z' })
    await keep('b', { created_at: '2025-10-19T21:45:30Z' })
    const again = await findIn(store.driver(), [backups], known)
    expect(again.already).toBe(1)
    expect(again.backups.map(({ from }) => from)).toEqual([join(backups, 'b')])
  })

  it('whose checksum fits is told of without a warning; one that fits no known way, or none, with one', async () => {
    await keep('other-way', { checksum: 'f'.repeat(64) })
    await keep('none', { checksum: null })
    await keep('less', { file_count: 3 })
    const { backups: found } = await findIn(store.driver(), [backups])
    const warnings = Object.fromEntries(found.map(({ from, warnings: said }) => [from.slice(backups.length + 1), said.join()]))
    expect(warnings).toEqual({
      'other-way': expect.stringMatching(/could not be compared/),
      none: expect.stringMatching(/no checksum/),
      less: expect.stringMatching(/says 3 files/),
    })
  })

  it('that was changed since it was looked at is not stored as what it was', async () => {
    const folder = await keep('20251018_214530_manual')
    const on = store.driver()
    const [backup] = (await findIn(on, [folder])).backups
    if (!backup) throw new Error('nothing was found')
    await writeFile(join(folder, 'data', 'added'), 'by somebody')
    const sink = createSink({ store: createMemoryStore(), prefix: 'holdfast/v1/orders/x/data/', attempt: 1, recipients: [] })
    await expect(on.adoption?.take(contextFor(), backup, 'x', sink)).rejects.toMatchObject({ code: 'INTEGRITY' })
  })

  it('that cannot be a backup any more is called broken, and what never was one is only named', async () => {
    const holed = await keep('holed')
    for (const name of await readdir(join(holed, 'data'))) if (name.startsWith('MANIFEST')) await rm(join(holed, 'data', name))
    await rm(join(await keep('without'), 'metadata.json'))
    await writeFile(join(await keep('unreadable'), 'metadata.json'), '{ "id": 1')
    await keep('tomorrow', { created_at: new Date(Date.now() + 86_400_000).toISOString() })
    await mkdir(join(backups, 'lost+found'))
    const { backups: found, left } = await findIn(store.driver(), [backups])
    expect(found).toEqual([])
    expect(Object.fromEntries(left.map(({ from, broken, why }) => [from.slice(backups.length + 1), [broken, why]]))).toEqual({
      holed: [true, expect.stringMatching(/Failed to open backup database/)],
      without: [true, expect.stringMatching(/no metadata.json/)],
      unreadable: [true, expect.stringMatching(/does not describe a backup/)],
      tomorrow: [true, expect.stringMatching(/in the future/)],
      'lost+found': [false, expect.stringMatching(/no metadata.json/)],
    })
  })
})
