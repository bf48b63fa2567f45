/** An archive whose engine has stopped to ship its log: seen by the time of what is there. */
import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openStore } from '../../../src/storage/open.ts'
import { parseWalName, recordKeyOf } from '../../../src/wal/names.ts'
import { pushWal } from '../../../src/wal/push.ts'
import { type ArchiveUnderTest, createArchive } from '../../support/archive.ts'
import { SIGNING } from '../../support/catalog.ts'
import { holdfast } from './support.ts'

let under: ArchiveUnderTest
let config: string
let folder: string
beforeAll(async () => {
  under = await createArchive()
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-wal-list-'))
  folder = join(dir, 'repository')
  await mkdir(folder)
  config = join(dir, 'holdfast.yaml')
  await writeFile(
    config,
    JSON.stringify({
      repositories: { near: { type: 'folder', path: folder } },
      encryption: { recipients: [under.identity.recipient] },
      signing: { keyId: SIGNING.keyId, publicKeys: { [SIGNING.keyId]: SIGNING.publicKey } },
      sources: {},
      archives: { pages: { repository: 'near' } },
    }),
  )
})
afterAll(async () => {
  await under?.destroy()
  if (folder) await rm(join(folder, '..'), { recursive: true, force: true })
})
const list = (...more: string[]) => holdfast('--config', config, 'wal-list', 'pages', ...more)

it('nothing at all, and nothing for too long, end with 3; what is new enough ends with 0', async () => {
  expect(await list('--within', '5m')).toMatchObject({ code: 3, stdout: expect.stringContaining('STALE nothing is archived') })
  expect((await list()).code).toBe(0)
  const store = await openStore({ type: 'folder', path: folder })
  for (const name of ['1-100.wal', '101-200.wal']) await pushWal(under.on(store, 'pages'), await under.file(name))
  store.close()
  expect(await list('--within', '5m')).toMatchObject({ code: 0, stdout: expect.not.stringContaining('STALE') })
  // The older of the two makes no difference.
  const tenMinutesAgo = new Date(Date.now() - 600_000)
  const age = (name: string) => utimes(join(folder, recordKeyOf('pages', parseWalName(name))), tenMinutesAgo, tenMinutesAgo)
  await age('1-100.wal')
  expect((await list('--within', '5m')).code).toBe(0)
  await age('101-200.wal')
  expect(await list('--within', '5m')).toMatchObject({ code: 3, stdout: expect.stringMatching(/^STALE nothing since 20/m) })
  expect((await list('--within', '15m')).code).toBe(0)
})

it('what is missing between names that count is named and ends with 3; of others nobody says that none are', async () => {
  const store = await openStore({ type: 'folder', path: folder })
  for (const name of ['seg-001', 'seg-002', 'seg-004', 'notes', '000000010000000000000001.partial'])
    await pushWal(under.on(store, 'pages'), await under.file(name))
  store.close()
  const { code, stdout } = await list()
  expect(code).toBe(3)
  expect(stdout.split('\n').filter(Boolean)).toEqual([
    '*-*.wal: counted by the entries in them, 2 segments, 1-100.wal to 101-200.wal',
    'seg-*: counted in decimal, 3 segments, seg-001 to seg-004',
    'MISSING seg-003',
    '1 files whose names do not tell whether any are missing between them',
    '1 other files',
  ])
})

it('the source whose log it is says what its segments look like, where they follow upon nothing', async () => {
  const store = await openStore({ type: 'folder', path: folder })
  await pushWal(under.on(store, 'pages'), await under.file('301-400.wal'))
  await pushWal(under.on(store, 'pages'), await under.file('351-500.wal'))
  store.close()
  expect((await list()).stdout).toContain('5 files whose names do not tell')
  const nodes = { one: { url: 'http://127.0.0.1:1', dataDir: '/pages' } }
  const sources = { pages: { driver: 'raft-cluster', repository: 'near', nodes, wal: { archive: 'pages' } } }
  await writeFile(config, JSON.stringify({ ...JSON.parse(await readFile(config, 'utf8')), sources }))
  expect(await list()).toMatchObject({ code: 3, stdout: expect.stringContaining('MISSING 201 to 300, 100 entries\n') })
})

it('a time that is none is refused before anything is opened', async () => {
  expect(await list('--within', 'soon')).toMatchObject({ code: 2, stderr: expect.stringContaining('like 15m') })
})
