/** An archive that no source names is shortened by its owner, who says where the oldest base backup begins. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { segmentName } from '../../../src/core/wal.ts'
import { openStore } from '../../../src/storage/open.ts'
import { heldIn } from '../../../src/wal/contents.ts'
import { pushWal } from '../../../src/wal/push.ts'
import { type ArchiveUnderTest, createArchive } from '../../support/archive.ts'
import { SIGNING } from '../../support/catalog.ts'
import { holdfast } from './support.ts'

let under: ArchiveUnderTest
let dir: string
const at = (number: number) => segmentName({ timeline: 1, number })
const LABEL = `${at(3)}.00000028.backup`
beforeAll(async () => {
  under = await createArchive()
  dir = await mkdtemp(join(tmpdir(), 'holdfast-wal-prune-'))
  await mkdir(join(dir, 'repository'))
  await configure()
  const store = await openStore({ type: 'folder', path: join(dir, 'repository') })
  for (const name of [at(1), at(2), LABEL, at(3), at(4)]) await pushWal(under.on(store, 'pages'), await under.file(name))
  store.close()
})
afterAll(async () => {
  await under?.destroy()
  if (dir) await rm(dir, { recursive: true, force: true })
})

const configure = (more: object = {}) =>
  writeFile(
    join(dir, 'holdfast.yaml'),
    JSON.stringify({
      repositories: { near: { type: 'folder', path: join(dir, 'repository') } },
      encryption: { recipients: [under.identity.recipient] },
      signing: { keyId: SIGNING.keyId, publicKeys: { [SIGNING.keyId]: SIGNING.publicKey } },
      sources: {},
      archives: { pages: { repository: 'near' } },
      ...more,
    }),
  )
const prune = (...more: string[]) => holdfast('--config', join(dir, 'holdfast.yaml'), 'wal-prune', 'pages', ...more)
const names = async () => {
  const store = await openStore({ type: 'folder', path: join(dir, 'repository') })
  const { held } = await heldIn({ archive: 'pages', store })
  store.close()
  return held.map(({ name }) => name).sort()
}

it('a slip of the pen removes nothing: what is meant to stay has to be there', async () => {
  expect(await prune(at(40))).toMatchObject({ code: 6, stderr: expect.stringContaining('wal-list pages') })
  expect(await prune('latest')).toMatchObject({ code: 2, stderr: expect.stringContaining('oldest segment to keep') })
  expect(await names()).toHaveLength(5)
})

it('the log of a source is refused: its points say what they need', async () => {
  const nodes = { one: { url: 'http://127.0.0.1:1', dataDir: '/pages' } }
  await configure({ sources: { book: { driver: 'raft-cluster', repository: 'near', nodes, wal: { archive: 'pages' } } } })
  expect(await prune(at(3))).toMatchObject({ code: 4, stderr: expect.stringContaining('archives.pages.keep') })
  await configure()
  expect(await names()).toHaveLength(5)
})

it('what a dry run names goes, and what the base backup begins with stays', async () => {
  expect(await prune(LABEL, '--dry-run')).toMatchObject({ code: 0, stdout: expect.stringContaining(`would go: ${at(1)} to ${at(2)}`) })
  expect(await names()).toHaveLength(5)
  expect(await prune(LABEL)).toMatchObject({ code: 0, stdout: expect.stringContaining(`removed: ${at(1)} to ${at(2)}`) })
  expect(await names()).toEqual([at(3), LABEL, at(4)])
  expect(await prune(at(3))).toMatchObject({ code: 0, stdout: expect.stringContaining('nothing is older') })
})
