/** Bringing a file back: whole and as it was archived, or not at all; and told apart why not. */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { canonicalBytes } from '../../../src/catalog/canonical.ts'
import { createMemoryStore, type MemoryStore } from '../../../src/storage/memory.ts'
import { readAll } from '../../../src/storage/store.ts'
import { fetchWal } from '../../../src/wal/fetch.ts'
import { pushWal } from '../../../src/wal/push.ts'
import { makeIdentity } from '../../support/age.ts'
import { type ArchiveUnderTest, createArchive, MIB, segmentBytes } from '../../support/archive.ts'
import { keysIn, signer, stranger } from '../../support/catalog.ts'

const NAME = '000000010000000000000003'
const NEXT = '000000010000000000000004'

let under: ArchiveUnderTest
let store: MemoryStore
let folder: string
let to: string
let body: Buffer
beforeAll(async () => {
  under = await createArchive()
})
afterAll(() => under.destroy())
beforeEach(async () => {
  store = createMemoryStore()
  folder = await mkdtemp(join(under.dir, 'pg_wal-'))
  to = join(folder, 'RECOVERYXLOG')
  body = segmentBytes()
  await pushWal(under.on(store), await under.file(NAME, body))
})

const keyOf = async (name: string, end: RegExp) => (await keysIn(store)).find((key) => key.includes(`/${name}/`) && end.test(key)) ?? ''

async function refused(code: string, archive = under.on(store)): Promise<void> {
  await expect(fetchWal(archive, NAME, to)).rejects.toMatchObject({ code })
  expect(await readdir(folder)).toEqual([])
}

it('a file comes whole, readable by its owner only, and takes the place of what was there', async () => {
  await writeFile(to, 'of an earlier try')
  expect(await fetchWal(under.on(store), NAME, to)).toMatchObject({ name: NAME })
  expect((await readFile(to)).equals(body)).toBe(true)
  expect((await stat(to)).mode & 0o777).toBe(0o600)
  expect(await readdir(folder)).toEqual(['RECOVERYXLOG'])
})

it('what was never archived is no error, and nothing is written', async () => {
  expect(await fetchWal(under.on(store), NEXT, to)).toBeUndefined()
  expect(await readdir(folder)).toEqual([])
})

it('an archive that holds nothing at all is trouble: what belongs there may not be mounted', async () => {
  await expect(fetchWal(under.on(store, 'other'), NAME, to)).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

describe('nothing is written, and an error says why, where', () => {
  it('the object is damaged, cut or gone', async () => {
    const key = await keyOf(NAME, /age$/)
    const stored = await readAll(store, key)
    const damaged = Buffer.from(stored)
    damaged[damaged.length >> 1] = (damaged[damaged.length >> 1] ?? 0) ^ 1
    store.overwrite(key, damaged)
    await refused('INTEGRITY')
    store.overwrite(key, stored.subarray(0, -1))
    await refused('INTEGRITY')
    await store.delete(key)
    await refused('INTEGRITY')
  })

  it('the record was altered, or signed by a stranger', async () => {
    const key = await keyOf(NAME, /json$/)
    const record = JSON.parse(String(await readAll(store, key)))
    store.overwrite(key, canonicalBytes({ ...record, archivedAt: '2020-01-01T00:00:00Z' }))
    await refused('SIGNATURE_INVALID')
    store.overwrite(key, canonicalBytes(stranger.sign(record)))
    await refused('SIGNATURE_INVALID')
  })

  it('the record is that of another name or of another archive', async () => {
    const key = await keyOf(NAME, /json$/)
    const own = JSON.parse(String(await readAll(store, key)))
    await pushWal(under.on(store), await under.file(NEXT))
    store.overwrite(key, await readAll(store, await keyOf(NEXT, /json$/)))
    await refused('INTEGRITY')
    store.overwrite(key, canonicalBytes(signer.sign({ ...own, archive: 'shop2' })))
    await refused('INTEGRITY')
  })

  it('the content is not what was archived, whatever else fits', async () => {
    const key = await keyOf(NAME, /json$/)
    const own = JSON.parse(String(await readAll(store, key)))
    store.overwrite(key, canonicalBytes(signer.sign({ ...own, artifact: { ...own.artifact, contentBlake3: '0'.repeat(64) } })))
    await refused('INTEGRITY')
  })

  it('the identity is another, or none is there', async () => {
    const other = await makeIdentity(under.dir, `${randomBytes(4).toString('hex')}.txt`)
    await refused('KEY_WRONG', { ...under.on(store), identityFile: other.file })
    await refused('KEY_MISSING', { ...under.on(store), identityFile: '/nowhere/identity.txt' })
  })

  it('the destination cannot be written', async () => {
    await expect(fetchWal(under.on(store), NAME, join(folder, 'none', 'x'))).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  })

  it('it is stopped halfway', async () => {
    await pushWal(under.on(store), await under.file(NEXT, randomBytes(8 * MIB)))
    const stop = new AbortController()
    const stopping = {
      ...store,
      get: async (...args: Parameters<typeof store.get>) => {
        if (args[0].endsWith('.age')) stop.abort()
        return store.get(...args)
      },
    }
    await expect(fetchWal(under.on(stopping), NEXT, to, stop.signal)).rejects.toThrow()
    expect(await readdir(folder)).toEqual([])
  })
})

it('what a fetch left that was killed goes with the next one; what belongs to one that runs stays', async () => {
  const { pid: dead } = spawnSync('true')
  await writeFile(`${to}.holdfast-${dead}-00aa00aa`, 'half')
  await writeFile(`${to}.holdfast-${process.pid}-00aa00aa`, 'half')
  await fetchWal(under.on(store), NAME, to)
  expect((await readdir(folder)).sort()).toEqual(['RECOVERYXLOG', `RECOVERYXLOG.holdfast-${process.pid}-00aa00aa`])
})

it('two at once to one place both end well', async () => {
  await Promise.all([fetchWal(under.on(store), NAME, to), fetchWal(under.on(store), NAME, to)])
  expect((await readFile(to)).equals(body)).toBe(true)
  expect(await readdir(folder)).toEqual(['RECOVERYXLOG'])
})
