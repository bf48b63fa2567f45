/** GPG inside of the usual envelope: a point that the keyring's owner opens, by Holdfast and by hand. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { lookUp } from '../../scripts/toolbox/find.ts'
import { filesSource } from '../../src/drivers/files/config.ts'
import { createFiles } from '../../src/drivers/files/index.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { run } from '../../src/process/run.ts'
import { contextFor, failures, nextRequest, openRepository, type Repository, takePoint } from '../conformance/driver.ts'
import { describeTree, fillTree } from '../support/files/tree.ts'

const TEAM = 'team@example.org'
let dir: string
let root: string
let home: string
let repository: Repository
const present = lookUp('gpg') !== undefined

beforeAll(async () => {
  // A socket of GPG's agent is in its home, and its path may not be long.
  dir = await mkdtemp(join(tmpdir(), 'hfg-'))
  root = join(dir, 'root')
  home = join(dir, 'gnupg')
  await mkdir(root)
  await mkdir(home, { mode: 0o700 })
  repository = await openRepository()
  await fillTree(root)
  if (present)
    await run({
      program: 'gpg',
      args: ['--batch', '--passphrase', '', '--quick-generate-key', TEAM, 'default', 'default', 'never'],
      env: { GNUPGHOME: home },
    })
})
afterAll(async () => {
  if (present) await run({ program: 'gpgconf', args: ['--kill', 'all'], env: { GNUPGHOME: home } })
  await rm(dir, { recursive: true, force: true })
  await rm(repository.dir, { recursive: true, force: true })
})

const driverOf = (gpg: object | undefined) =>
  createFiles(filesSource.parse({ driver: 'files', repository: 'hot', root, ...(gpg && { gpg }) }))
const source = () => createSource({ store: repository.store, identityFile: repository.identity.file })

it.runIf(present)('a point says that GPG is inside, is proved with the secret key, and shows no name without it', async () => {
  const driver = driverOf({ recipients: [TEAM], home })
  expect((await driver.preflight(contextFor())).findings.filter(({ ok }) => !ok)).toEqual([])
  const manifest = await takePoint(driver, repository, nextRequest())
  expect(manifest.artifacts).toMatchObject([
    { part: 'tree.tar.zst.gpg', inner: 'gpg', innerRecipients: [TEAM], encryption: 'age' },
    { part: 'index.jsonl.zst.gpg', inner: 'gpg', encryption: 'age' },
  ])
  const { target } = await driver.restore(contextFor(), manifest, source(), { dir: join(dir, 'restored') })
  expect(failures(await driver.verify(contextFor(), manifest, target, { depth: 'full', assertions: [] }))).toEqual([])
  expect(await describeTree(target.connection)).toBe(await describeTree(root))

  const stranger = join(dir, 'stranger')
  await mkdir(stranger, { mode: 0o700 })
  const other = driverOf({ recipients: [TEAM], home: stranger })
  await expect(other.restore(contextFor(), manifest, source(), { dir: join(dir, 'other') })).rejects.toMatchObject({
    code: 'KEY_MISSING',
    next: expect.stringContaining('secret key'),
  })
})

it.runIf(present)('a recipient that the keyring does not have refuses the backup', async () => {
  const { findings } = await driverOf({ recipients: ['nobody@example.org'], home }).preflight(contextFor())
  expect(findings).toContainEqual(expect.objectContaining({ name: 'gpg', ok: false, required: true }))
})
