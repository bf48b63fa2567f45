import { readdir, rm, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { SourceDriver } from '../../src/drivers/driver.ts'
import { configSchema } from '../../src/config/schema.ts'
import { planSchedules } from '../../src/temporal/plan-schedules.ts'
import { contextFor, nextRequest, openRepository, type Repository, takePoint } from '../conformance/driver.ts'
import { type ClusterSource, fill, openClusterSource } from '../support/raft-cluster.ts'

let repository: Repository
let source: ClusterSource
let driver: SourceDriver
beforeAll(async () => {
  repository = await openRepository()
})
afterAll(() => rm(repository.dir, { recursive: true, force: true }))
beforeEach(async () => {
  source = await openClusterSource()
  await fill(source.cluster)
  driver = await source.driver({ every: { entries: 20 }, keepSnapshots: '7d' })
}, 60_000)
afterEach(() => source.remove())

describe('a point by number of entries', { timeout: 120_000 }, () => {
  it('is due at first, and then once so many came', async () => {
    expect(await driver.due?.(contextFor(), undefined)).toMatchObject({ due: true })
    const manifest = await takePoint(driver, repository, nextRequest())
    expect(await driver.due?.(contextFor(), manifest)).toMatchObject({ due: false, detail: expect.stringContaining('0 entries since') })
    await source.cluster.put('one', 'more')
    expect(await driver.due?.(contextFor(), manifest)).toMatchObject({ due: false })
    await fill(source.cluster, 'later')
    expect(await driver.due?.(contextFor(), manifest)).toMatchObject({ due: true, detail: expect.stringContaining('21 entries since') })
  })

  it('does not hinder a mark for a set: the leader says where it stands', async () => {
    expect(await driver.mark?.(contextFor(), 'evening')).toEqual({
      leader: `node-${(await source.leader()).id}`,
      index: expect.any(String),
      entries: '20',
    })
  })

  it('is due where there are fewer than there were: what came since a restore is in no point', async () => {
    const manifest = await takePoint(driver, repository, nextRequest())
    const more = {
      ...manifest,
      inventory: { ...manifest.inventory, snapshot: { ...manifest.inventory?.['snapshot'], 'entries at most': 999 } },
    }
    expect(await driver.due?.(contextFor(), more)).toMatchObject({ due: true })
  })

  it('is a schedule that looks every minute', () => {
    const sources = { pages: { ...source.config({ every: { entries: 10_000 } }) } }
    const config = configSchema.parse({
      repositories: { hot: { type: 'folder', path: '/srv/hot' } },
      encryption: { recipients: ['age1x'], check: false },
      signing: { keyId: 'k', publicKeys: { k: 'x' } },
      sources,
    })
    expect(planSchedules(config)).toMatchObject([
      {
        id: 'holdfast/pages/entries',
        workflowType: 'backupWhenDue',
        input: { source: 'pages', kind: 'snapshot' },
        summary: expect.stringContaining('every 1m'),
      },
    ])
  })
})

describe('snapshots that lie on the nodes', { timeout: 120_000 }, () => {
  it('go once they are old and a good point has their content; the newest never', async () => {
    const leader = await source.leader()
    const folder = join(leader.dir, 'raft', 'snapshots')
    const names = async () => (await readdir(folder)).sort()
    const first = await takePoint(driver, repository, nextRequest())
    await fill(source.cluster, 'later')
    const second = await takePoint(driver, repository, nextRequest())
    await source.cluster.put('one', 'more')
    const third = await takePoint(driver, repository, nextRequest())
    const [one = '', two = '', three = ''] = [first, second, third].map(({ consistency }) => consistency.snapshot ?? '')
    expect(await names()).toEqual([one, two, three])
    const clean = (dryRun = false) => driver.expireSnapshots?.(contextFor(), { keep: '7d', good: [first, third], dryRun })
    expect(await clean()).toEqual({ removed: 0, unproved: 0 })
    // Each a second younger: of equal age, the newest would be whichever the file system lists last.
    for (const [age, name] of [one, two, three].entries()) await utimes(join(folder, name), age + 1, age + 1)
    expect(await clean(true)).toEqual({ removed: 1, unproved: 1 })
    expect(await names()).toEqual([one, two, three])
    expect(await clean()).toEqual({ removed: 1, unproved: 1 })
    expect(await names()).toEqual([two, three])
    expect(await clean()).toEqual({ removed: 0, unproved: 1 })
  })
})
