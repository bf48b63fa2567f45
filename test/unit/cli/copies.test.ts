/** What the command line says of points that are in more than one repository, on folders. */
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createProgram } from '../../../src/cli/program.ts'
import { pointId } from '../../../src/core/ids.ts'
import { createFolderStore } from '../../../src/storage/folder.ts'
import { openServices } from '../../../workers/services.ts'
import { addPoint, catalogOn, proofOf, SIGNING } from '../../support/catalog.ts'
import { catchStreams, holdfast } from './support.ts'

const daysAgo = (days: number) => pointId(new Date(Date.now() - days * 86_400_000), 'manual')
const [OLD, YOUNG] = [daysAgo(100), daysAgo(1)]

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'hf-places-'))
  for (const name of ['hot', 'dr']) await mkdir(join(dir, name))
  const config = {
    repositories: { hot: { type: 'folder', path: join(dir, 'hot') }, dr: { type: 'folder', path: join(dir, 'dr') } },
    encryption: { recipients: ['age1unused'] },
    signing: { keyId: SIGNING.keyId, publicKeys: { [SIGNING.keyId]: SIGNING.publicKey } },
    sources: { orders: { driver: 'postgres-logical', connection: 'host=/nowhere', repository: 'hot', copies: ['dr'] } },
  }
  await writeFile(join(dir, 'holdfast.yaml'), JSON.stringify(config))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const storeOf = (repository: string) => createFolderStore(join(dir, repository))

/** The young point is in both, the old one only where the copies are. */
async function fill(): Promise<void> {
  await addPoint(await storeOf('hot'), YOUNG)
  for (const id of [OLD, YOUNG]) await addPoint(await storeOf('dr'), id)
  for (const repository of ['hot', 'dr']) await prove(repository, YOUNG)
}

async function prove(repository: string, id: string, ok = true, completedAt = new Date().toISOString()): Promise<void> {
  const catalog = catalogOn(await storeOf(repository))
  const { manifest, digest } = await catalog.readManifest('orders', id)
  await catalog.appendProof(proofOf(manifest, digest, { ok, completedAt }))
}

async function run(...args: string[]) {
  const streams = catchStreams()
  const unused = async () => {
    throw new Error('started')
  }
  const program = createProgram({ serve: unused, dev: unused, openServices: async (config) => openServices(config) }, streams)
  const code = await program.run(['--config', join(dir, 'holdfast.yaml'), ...args])
  return { code, stdout: streams.stdout, stderr: streams.stderr }
}

describe('list', () => {
  it('has each point once, and the repositories that it is in', async () => {
    await fill()
    const { code, stdout } = await run('list', 'orders')
    expect(code).toBe(0)
    const lines = stdout.trim().split('\n')
    expect(lines[0]).toMatch(/tags\s+in$/)
    expect(lines[1]).toMatch(new RegExp(`${OLD}.* dr$`))
    expect(lines[2]).toMatch(new RegExp(`${YOUNG}.* hot,dr$`))
    expect(lines).toHaveLength(4)
    const { points, copies } = JSON.parse((await run('--json', 'list')).stdout)
    expect(points).toMatchObject([
      { id: OLD, repositories: ['dr'] },
      { id: YOUNG, repositories: ['hot', 'dr'] },
    ])
    expect(copies).toMatchObject({ orders: [{ repository: 'dr', points: 2, newest: YOUNG }] })
  })

  it('goes on with the copies where the repository of the source is gone, and is degraded', async () => {
    await fill()
    await rename(join(dir, 'hot'), join(dir, 'gone'))
    const { code, stdout } = await run('list', 'orders')
    expect(code).toBe(3)
    expect(stdout).toContain(OLD)
    expect(stdout).toMatch(/^NOT TRUSTED hot: NOT_FOUND: .*hot/m)
    await rename(join(dir, 'dr'), join(dir, 'gone too'))
    expect((await run('list', 'orders')).code).toBe(6)
  })

  it('names the points that a key has signed something of, and show says whose the manifest is', async () => {
    await fill()
    const { keyId } = SIGNING
    expect(JSON.parse((await run('--json', 'list', 'orders', '--signed-by', keyId)).stdout)).toMatchObject({ total: 2 })
    const mistyped = await run('list', 'orders', '--signed-by', `${keyId}0`)
    expect(mistyped).toMatchObject({ code: 2, stderr: expect.stringContaining(keyId) })
    expect((await run('show', 'orders', YOUNG)).stdout).toContain(`signed by ${keyId}`)
  })

  it('says of a point what its own repository says', async () => {
    await fill()
    await prove('dr', YOUNG, false, '2100-01-01T00:00:00Z')
    expect(JSON.parse((await run('--json', 'list', 'orders')).stdout).points[1]).toMatchObject({ id: YOUNG, good: true })
  })
})

describe('status', () => {
  it('tells how old the newest copy is', async () => {
    await fill()
    const { code, stdout } = await run('status', '--repo-only')
    expect(stdout).toMatch(new RegExp(`^copies of orders in dr: 2, the newest ${YOUNG}, 24\\.\\d h old$`, 'm'))
    expect(code).toBe(0)
  })

  it('is degraded without any copy, and while the proof of one has failed', async () => {
    await addPoint(await storeOf('hot'), YOUNG)
    await prove('hot', YOUNG)
    expect(await run('status', '--repo-only')).toMatchObject({ code: 3, stdout: expect.stringContaining('copies of orders in dr: NONE') })
    await addPoint(await storeOf('dr'), YOUNG)
    expect(await run('status', '--repo-only')).toMatchObject({ code: 0 })
    await prove('dr', YOUNG, false)
    expect(await run('status', '--repo-only')).toMatchObject({
      code: 3,
      stdout: expect.stringContaining(`PROOF FAILED orders ${YOUNG} in dr: holdfast copy orders --to dr`),
    })
  })
})

describe('show', () => {
  it('says where else a point is, and finds one that is kept there only', async () => {
    await fill()
    expect((await run('show', 'orders', YOUNG)).stdout).toContain('in hot; also in dr')
    expect((await run('show', 'orders', YOUNG, '--repository', 'dr')).stdout).toContain('in dr; also in hot')
    expect(JSON.parse((await run('--json', 'show', 'orders', OLD)).stdout)).toMatchObject({ repository: 'dr', copies: [] })
    expect(await run('show', 'orders', OLD, '--repository', 'hot')).toMatchObject({ code: 6 })
    expect(await run('show', 'orders', OLD, '--repository', 'cold')).toMatchObject({ code: 6, stderr: expect.stringContaining('hot, dr') })
  })
})

it('a restore takes a repository by its name; a place needs --offline', async () => {
  const { code, stderr } = await holdfast('restore', 'orders', '--repository', 'folder:/b')
  expect(code).toBe(2)
  expect(stderr).toContain('--repository needs --offline')
  // A name is for the run to judge, which asks for the configuration first.
  expect((await holdfast('restore', 'orders', '--repository', 'dr', '--config', '/nowhere/holdfast.yaml')).stderr).toContain(
    '/nowhere/holdfast.yaml',
  )
})
