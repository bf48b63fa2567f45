/** An archive whose engine has stopped to ship its log: seen by the time of what is there. */
import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
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

it('a time that is none is refused before anything is opened', async () => {
  expect(await list('--within', 'soon')).toMatchObject({ code: 2, stderr: expect.stringContaining('like 15m') })
})
