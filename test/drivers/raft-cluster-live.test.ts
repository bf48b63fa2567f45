import { readdir, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Manifest } from '../../src/core/records.ts'
import type { LiveRestore } from '../../src/drivers/driver.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { contextFor, nextRequest, openRepository, type Repository, takePoint } from '../conformance/driver.ts'
import { type ClusterSource, fill, openClusterSource, put } from '../support/raft-cluster.ts'

let repository: Repository
let source: ClusterSource
let manifest: Manifest
let before: string
const artifacts = () => createSource({ store: repository.store, identityFile: repository.identity.file })
const liveOf = async (more?: object) => (await source.driver(more)).live as LiveRestore
const kept = async () => (await readdir(join(source.dir, 'cluster'))).filter((name) => name.includes('.pre_restore_')).sort()

beforeAll(async () => {
  repository = await openRepository()
})
afterAll(() => rm(repository.dir, { recursive: true, force: true }))
beforeEach(async () => {
  source = await openClusterSource()
  await fill(source.cluster)
  before = await source.contents()
  manifest = await takePoint(await source.driver(), repository, nextRequest())
  await put(await source.leader(), 'orders/3', 'changed')
  await fill(source.cluster, 'later')
}, 60_000)
afterEach(() => source.remove())

describe('a restore over a live cluster', { timeout: 120_000 }, () => {
  it('brings every node back to the moment of the snapshot; what each had is kept beside it, and writes go on', async () => {
    const live = await liveOf()
    const confirm = await live.fingerprint()
    await live.check(manifest, confirm)
    const changed = await source.contents()
    const { oid } = await live.restoreAside(contextFor(), manifest, artifacts())
    expect(await source.contents()).toBe(changed)
    const swapped = await live.swap(manifest, confirm, oid)
    for (const node of source.cluster.nodes) expect(await source.contents(node)).toBe(before)
    await put(await source.leader(), 'orders/3', 'after')
    expect((await kept()).map((name) => name.replace(/\d{8}_\d{6}$/, ''))).toEqual(
      source.cluster.nodes.map(({ id }) => `node-${id}.pre_restore_`),
    )
    expect(basename(swapped.keptAs ?? '')).toBe((await kept())[0])
    expect(dirname(swapped.keptAs ?? '')).toBe(join(source.dir, 'cluster'))

    // Again, as after a worker that was killed once all was done: nothing happens.
    expect(await live.swap(manifest, confirm, oid)).toEqual(swapped)
    await live.removeAside(manifest)
    expect(await source.contents()).toContain('orders/3=after')
    expect(await source.leftovers()).toEqual(await kept())
  })

  it('is refused without its fingerprint, and where nobody said how the nodes are stopped', async () => {
    const live = await liveOf()
    const fingerprint = await live.fingerprint()
    await expect(live.check(manifest, '')).rejects.toMatchObject({ code: 'CONFIRM_MISMATCH', object: fingerprint })
    const { service: _, ...without } = source.config().nodes['node-1'] ?? {}
    const bare = await liveOf({ nodes: { ...source.config().nodes, 'node-1': without } })
    await expect(bare.check(manifest, fingerprint)).rejects.toMatchObject({ code: 'SOURCE_UNFIT' })
  })
})
