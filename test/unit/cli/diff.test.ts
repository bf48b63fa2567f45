/** `holdfast diff`: what a restore would change, with no Temporal and nothing written. */
import { cp, mkdir, mkdtemp, readdir, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { dataPrefix } from '../../../src/catalog/keys.ts'
import { generateSigningKey } from '../../../src/catalog/signing.ts'
import { createProgram } from '../../../src/cli/program.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { createSink } from '../../../src/pipeline/capture.ts'
import { openServices } from '../../../workers/services.ts'
import { contextFor } from '../../conformance/driver.ts'
import { makeIdentity } from '../../support/age.ts'
import { manifestOf } from '../../support/manifest.ts'
import { describeTree } from '../../support/files/tree.ts'
import { catchStreams } from './support.ts'

const ID = '20260101_000000_manual'
/** Left in a copy only. */
const OLD = '20250101_000000_manual'
let dir: string
let configFile: string
const root = () => join(dir, 'conf')
const hot = () => join(dir, 'hot')

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-diff-'))
  await mkdir(root())
  const { recipient, file: identityFile } = await makeIdentity(dir)
  const { publicKey, privateKeyPem } = generateSigningKey()
  const privateKeyFile = join(dir, 'signing.pem')
  await writeFile(privateKeyFile, privateKeyPem)
  configFile = join(dir, 'holdfast.yaml')
  const files = { driver: 'files', repository: 'hot', root: root() }
  const config = {
    repositories: { hot: { type: 'folder', path: hot() }, dr: { type: 'folder', path: join(dir, 'dr') } },
    encryption: { recipients: [recipient], identityFile },
    signing: { keyId: 'test', privateKeyFile, publicKeys: { test: publicKey } },
    sources: {
      conf: { ...files, copies: ['dr'] },
      empty: files,
      orders: { driver: 'postgres-logical', connection: 'host=none', repository: 'hot' },
    },
  }
  for (const repository of [hot(), join(dir, 'dr')]) await mkdir(repository)
  await writeFile(configFile, stringify(config))
  for (const name of ['same', 'changed', 'removed']) await writeFile(join(root(), name), 'text')
  const services = openServices(await loadConfig(configFile))
  const driver = await services.driver('conf')
  const request = { id: ID, kind: 'manual' as const, attempt: 1 }
  const sink = createSink({ store: await services.store('hot'), prefix: dataPrefix('conf', ID), attempt: 1, recipients: [recipient] })
  const captured = await driver.capture(contextFor(), request, sink)
  const manifest = { ...manifestOf('files', request, captured, {}), source: 'conf' }
  await (await services.catalog('hot')).publishManifest(manifest)
  await (await services.catalog('hot')).copyPoint(await services.store('dr'), 'conf', ID)
  await (await services.catalog('dr')).publishManifest({ ...manifest, id: OLD, artifacts: [] })
  await services.close()
  await writeFile(join(root(), 'changed'), 'other text')
  await rm(join(root(), 'removed'))
  await writeFile(join(root(), 'new\nfile'), '')
})
afterAll(async () => rm(dir, { recursive: true, force: true }))

async function holdfast(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const streams = catchStreams()
  const unused = async () => {
    throw new Error('started')
  }
  const code = await createProgram({ serve: unused, dev: unused, openServices }, streams).run(['--config', configFile, ...args])
  return { code, stdout: streams.stdout, stderr: streams.stderr }
}

it('names what would be added, changed and removed, and writes nothing', async () => {
  const before = await describeTree(dir)
  const { code, stdout } = await holdfast('diff', 'conf')
  expect(code).toBe(0)
  expect(stdout).toMatch(new RegExp(`^${ID} over ${root()} on \\S+: 1 added, 1 changed, 1 removed, 1 the same\n`))
  expect(stdout.split('\n').slice(1, 4)).toEqual(['~ changed  (10 bytes instead of 4)', '- "new\\nfile"', '+ removed'])
  expect(await describeTree(dir)).toBe(before)
})

it('as one document with --json, of a part and of a point that is named', async () => {
  const { code, stdout } = await holdfast('--json', 'diff', 'conf', ID, '--part', 'changed')
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({ id: ID, target: root(), added: 0, changed: 1, removed: 0, changes: [{ name: 'changed' }] })
})

it.each([
  ['nothing', 6, 'NOT_FOUND: no source "nothing"'],
  ['empty', 6, 'NOT_FOUND: empty has no recovery point'],
  ['orders', 2, 'cannot be compared'],
])('of %s ends with %d', async (source, exitCode, message) => {
  const { code, stderr } = await holdfast('diff', source)
  expect(code).toBe(exitCode)
  expect(stderr).toContain(message)
})

/** All artifacts there, cut by a byte. */
async function damage(): Promise<void> {
  const folder = join(hot(), dataPrefix('conf', ID))
  for (const name of await readdir(folder)) await truncate(join(folder, name), (await stat(join(folder, name))).size - 1)
}

it.each([
  ['gone', () => rename(hot(), `${hot()}-gone`)],
  ['without the objects of the point', damage],
])('is told by a copy where the repository of the source is %s, which is said', async (_, harm) => {
  await cp(hot(), `${hot()}-whole`, { recursive: true })
  await harm()
  try {
    const { code, stdout } = await holdfast('diff', 'conf')
    expect(code).toBe(0)
    expect(stdout).toMatch(new RegExp(`^${ID} over ${root()} on \\S+: 1 added, 1 changed, 1 removed, 1 the same\n`))
    expect(stdout).toMatch(/^warning: hot: .*; the copy in dr was taken$/m)
    expect((await holdfast('diff', 'conf', ID, '--repository', 'hot')).code).not.toBe(0)
  } finally {
    await rm(hot(), { recursive: true, force: true })
    await rename(`${hot()}-whole`, hot())
  }
})

it('of two points has each from where it is', async () => {
  const { code, stdout } = await holdfast('--json', 'diff', 'conf', OLD, ID)
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({
    from: OLD,
    to: ID,
    warnings: [expect.stringContaining(`no recovery point ${OLD}; the copy in dr`)],
  })
  expect((await holdfast('diff', 'conf', OLD, ID, '--repository', 'dr')).stdout).not.toContain('warning')
})

it('by copies that there are none of is refused', async () => {
  for (const points of [[ID], [OLD, ID]])
    expect(await holdfast('diff', 'conf', ...points, '--repository', 'far')).toMatchObject({
      code: 6,
      stderr: expect.stringContaining('it has them in hot, dr'),
    })
})
