/** What is to be seen of an archive: an engine that has stopped to ship its log, what is missing, what nobody can read. */
import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSigner, generateSigningKey } from '../../../src/catalog/signing.ts'
import { openStore } from '../../../src/storage/open.ts'
import { parseWalName, recordKeyOf } from '../../../src/wal/names.ts'
import type { Unreadable } from '../../../src/wal/unreadable.ts'
import { pushWal } from '../../../src/wal/push.ts'
import { type ArchiveUnderTest, createArchive, MIB } from '../../support/archive.ts'
import { SIGNING, stranger } from '../../support/catalog.ts'
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

describe('with --records', () => {
  // Made with segments of 1 MiB: the size stands in a record.
  const LOG = [1, 2, 3, 4].map((number) => `00000001000000000000000${number}`)
  const HISTORY = '00000002.history'
  const recordOf = (name: string) => join(folder, recordKeyOf('shop', parseWalName(name)))
  const shop = async (...more: string[]) => {
    const at = `${config}.shop`
    await writeFile(
      at,
      JSON.stringify({ ...JSON.parse(await readFile(config, 'utf8')), sources: {}, archives: { shop: { repository: 'near' } } }),
    )
    return holdfast('--config', at, 'wal-list', 'shop', ...more)
  }
  beforeAll(async () => {
    const store = await openStore({ type: 'folder', path: folder })
    for (const name of [...LOG, HISTORY]) await pushWal(under.on(store, 'shop'), await under.file(name, name.length < 24 ? '' : undefined))
    store.close()
  })

  it('an archive whose every record can be read says so, and ends with 0', async () => {
    expect(await shop('--records')).toMatchObject({ code: 0, stdout: expect.stringMatching(/\nevery record was read\n$/) })
    expect(JSON.parse((await shop('--json', '--records')).stdout)).toMatchObject({ unreadable: [], segmentBytes: MIB })
    expect(JSON.parse((await shop('--json')).stdout)).not.toHaveProperty('unreadable')
  })

  it('each file is named whose key is not known, whose record was altered or damaged, and it ends with 3', async () => {
    const [first = '', second = '', , last = ''] = LOG
    const written = async (name: string) => JSON.parse(await readFile(recordOf(name), 'utf8'))
    const former = createSigner({ keyId: 'key-2026', ...generateSigningKey() })
    await writeFile(recordOf(last), JSON.stringify(former.sign(await written(last))))
    await writeFile(recordOf(first), JSON.stringify(stranger.sign(await written(first))))
    await writeFile(recordOf(second), '{ "half')
    await writeFile(recordOf(HISTORY), JSON.stringify(former.sign(await written(HISTORY))))
    const { code, stdout } = await shop('--records')
    expect(code).toBe(3)
    const said = stdout.split('\n').filter((line) => line.startsWith('UNREADABLE'))
    expect(said).toHaveLength(4)
    expect(said[0]).toMatch(new RegExp(`^UNREADABLE ${first}: SIGNATURE_INVALID: .*changed after it was signed with the key "test-key"`))
    expect(said[1]).toMatch(new RegExp(`^UNREADABLE ${second}: INTEGRITY: .*is not JSON`))
    expect(said[2]).toMatch(new RegExp(`^UNREADABLE ${last}: SIGNATURE_INVALID: .*signed with the key "key-2026", which is not among`))
    expect(said[3]).toContain(HISTORY)
    expect(stdout).not.toContain('every record was read')
    const answer = JSON.parse((await shop('--json', '--records')).stdout)
    expect(answer).toMatchObject({ gaps: [], segmentBytes: MIB, timelines: [{ segments: 4 }] })
    expect(answer.unreadable.map(({ name, key, code }: Unreadable) => [name, key, code])).toEqual([
      [first, recordKeyOf('shop', parseWalName(first)), 'SIGNATURE_INVALID'],
      [second, recordKeyOf('shop', parseWalName(second)), 'INTEGRITY'],
      [last, recordKeyOf('shop', parseWalName(last)), 'SIGNATURE_INVALID'],
      [HISTORY, recordKeyOf('shop', parseWalName(HISTORY)), 'SIGNATURE_INVALID'],
    ])
  })
})

it('a time that is none is refused before anything is opened', async () => {
  expect(await list('--within', 'soon')).toMatchObject({ code: 2, stderr: expect.stringContaining('like 15m') })
})
