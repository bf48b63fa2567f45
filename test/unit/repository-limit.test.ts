/** The limit of a repository, from the configuration to the step of a backup and the status of the whole. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createBackupActivities } from '../../activities/backup.ts'
import type { Services } from '../../activities/services.ts'
import { createProgram } from '../../src/cli/program.ts'
import { parseConfig } from '../../src/config/load.ts'
import type { PointKind } from '../../src/core/ids.ts'
import { createFolderStore } from '../../src/storage/folder.ts'
import { openServices } from '../../workers/services.ts'
import { inActivity } from '../support/activity.ts'
import { addPoint, catalogOn, proofOf, SIGNING } from '../support/catalog.ts'
import { catchStreams } from './cli/support.ts'

const GOOD = '20260101_120000_manual'
const NEWEST = '20260102_120000_manual'
let dir: string

const configOf = (limit?: { warn?: string; cap?: string }) =>
  JSON.stringify({
    repositories: { hot: { type: 'folder', path: join(dir, 'repository'), ...(limit && { limit }) } },
    encryption: { recipients: ['age1unused'] },
    signing: { keyId: SIGNING.keyId, publicKeys: { [SIGNING.keyId]: SIGNING.publicKey } },
    sources: { orders: { driver: 'postgres-logical', connection: 'host=/nowhere', repository: 'hot' } },
  })

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-limit-'))
  await mkdir(join(dir, 'repository'))
  const store = await createFolderStore(join(dir, 'repository'))
  // 2 MB each, of which the first is the last good one.
  for (const id of [GOOD, NEWEST]) await addPoint(store, id, { storedBytes: 2 * 1024 ** 2 })
  const { manifest, digest } = await catalogOn(store).readManifest('orders', GOOD)
  await catalogOn(store).appendProof(proofOf(manifest, digest))
})
afterAll(() => rm(dir, { recursive: true, force: true }))

async function preflight(limit: { warn?: string; cap?: string } | undefined, kind?: PointKind) {
  const services = {
    config: parseConfig(configOf(limit), 'holdfast.yaml'),
    catalog: async () => catalogOn(await createFolderStore(join(dir, 'repository'))),
    driver: async () => ({ preflight: async () => ({ versions: {}, estimateBytes: 1, findings: [] }) }),
  } as unknown as Services
  return inActivity(() => createBackupActivities(services).preflight({ source: 'orders', ...(kind && { kind }) }))
}

describe('the preflight of a backup', () => {
  it('says nothing without a limit, or far from it', async () => {
    expect(await preflight(undefined)).toEqual({ estimateBytes: 1, warnings: [] })
    expect(await preflight({ warn: '7MB', cap: '9MB' })).toEqual({ estimateBytes: 1, warnings: [] })
  })

  it('warns where the repository fills up, and refuses beyond the cap', async () => {
    expect(await preflight({ warn: '5MB', cap: '9MB' })).toMatchObject({
      crowded: expect.stringMatching(/4MB of recovery points, about 6MB/),
    })
    await expect(preflight({ cap: '5MB' })).rejects.toMatchObject({ code: 'REPOSITORY_FULL', object: 'hot' })
    expect(await preflight({ cap: '5MB', warn: '4MB' }, 'pre_restore')).toMatchObject({ crowded: expect.stringMatching(/about 6MB/) })
  })
})

describe('status', () => {
  it.each([
    [{ warn: '5MB' }, 0, 'ok', 'repository hot: 4MB of points, warned of beyond 5MB'],
    [{ warn: '3MB', cap: '5MB' }, 3, 'warn', 'FILLING repository hot: 4MB of points, warned of beyond 3MB, no backup is begun beyond 5MB'],
    [{ cap: '4MB' }, 3, 'full', 'FULL repository hot: 4MB of points, no backup is begun beyond 4MB'],
  ])('of a repository with the limit %j exits %i', async (limit, code, state, line) => {
    const config = join(dir, `${state}.yaml`)
    await writeFile(config, configOf(limit))
    const asked = async (...options: string[]) => {
      const streams = catchStreams()
      const program = createProgram({ serve: async () => {}, dev: async () => {}, openServices }, streams)
      return { code: await program.run([...options, '--config', config, 'status', '--repo-only']), text: streams.stdout }
    }
    const json = await asked('--json')
    expect(json.code).toBe(code)
    expect(JSON.parse(json.text).repositories).toMatchObject([{ repository: 'hot', state, usedBytes: 4 * 1024 ** 2 }])
    expect((await asked()).text.split('\n')).toContain(line)
  })
})

it('a limit whose warning is no warning is refused, and a size that is none', () => {
  expect(() => parseConfig(configOf({ warn: '9GB', cap: '8GB' }), 'holdfast.yaml')).toThrow(
    /repositories\.hot\.limit: warn must be less than cap/,
  )
  expect(() => parseConfig(configOf({ warn: '9 gigs' }), 'holdfast.yaml')).toThrow(/a size is a number and/)
})
