import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Manifest } from '../../src/core/records.ts'
import type { LiveRestore } from '../../src/drivers/driver.ts'
import { run } from '../../src/process/run.ts'
import { until } from '../../src/process/wait.ts'
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

describe('a swap that does not come to its end', { timeout: 240_000 }, () => {
  let live: LiveRestore
  let confirm: string
  let oid: string | undefined
  let changed: string
  beforeEach(async () => {
    live = await liveOf()
    confirm = await live.fingerprint()
    changed = await source.contents()
    oid = (await live.restoreAside(contextFor(), manifest, artifacts())).oid
  }, 60_000)
  const cluster = () => join(source.dir, 'cluster')
  const allHold = async (contents: string) => {
    for (const node of source.cluster.nodes)
      await until(async () => (await source.contents(node).catch(() => '')) === contents, {
        timeoutMs: 30_000,
        what: `the contents of node ${node.id}`,
      })
  }

  it('because a node brings its log back: refused, and the old cluster runs as before', async () => {
    const nodes = source.config().nodes
    // What moves things aside there leaves a log behind, as a node does that somebody started again meanwhile.
    const raft = join(cluster(), 'node-2', 'raft')
    const shell = ['sh', '-c', `sh -c "$0" && case "$0" in *touch*) mkdir -p ${raft}/log;; esac`]
    const spoiled = await liveOf({ nodes: { ...nodes, 'node-2': { ...nodes['node-2'], shell } } })
    await expect(spoiled.swap(manifest, confirm, oid)).rejects.toMatchObject({ message: expect.stringContaining('node-2 was not cleared') })
    await allHold(changed)
    expect(await live.fingerprint()).toBe(confirm)
    expect(await kept()).toEqual([])
  })

  it('because a node cannot be started: the old cluster runs as before', async () => {
    const nodes = source.config().nodes
    const broken = {
      ...nodes['node-3'],
      service: {
        stop: nodes['node-3']?.service?.stop,
        start: ['sh', '-c', `test -e ${join(cluster(), 'node-3', 'raft')} && exec "$@"`, 'sh', ...(nodes['node-3']?.service?.start ?? [])],
      },
    }
    const spoiled = await liveOf({ nodes: { ...nodes, 'node-3': broken } })
    await expect(spoiled.swap(manifest, confirm, oid)).rejects.toMatchObject({
      code: 'VERIFY_FAILED',
      message: expect.stringContaining('the old state is back in its place'),
    })
    await allHold(changed)
    expect(await kept()).toEqual([])
    await live.removeAside(manifest)
    expect(await source.leftovers()).toEqual([])
  })

  describe('because its worker was killed', () => {
    beforeEach(async () => {
      const [first, second] = source.cluster.nodes
      const stamp = '20260101_000000'
      await writeFile(join(cluster(), 'node-1.restore-under-way.json'), JSON.stringify({ made: oid, confirm, stamp }))
      for (const { id } of source.cluster.nodes)
        await run({ program: source.config().nodes[`node-${id}`]?.service?.stop[0] ?? '', args: ['stop', join(cluster(), `node-${id}`)] })
      // All of the first node was moved, half of the second.
      await mkdir(`${first?.dir}.pre_restore_${stamp}`)
      await mkdir(`${second?.dir}.pre_restore_${stamp}`)
      for (const part of ['raft', 'store']) await rename(join(first?.dir ?? '', part), join(`${first?.dir}.pre_restore_${stamp}`, part))
      await writeFile(join(`${first?.dir}.pre_restore_${stamp}`, '.moved'), '')
      await rename(join(second?.dir ?? '', 'raft'), join(`${second?.dir}.pre_restore_${stamp}`, 'raft'))
    })

    it('is ended by the next try', async () => {
      await live.swap(manifest, confirm, oid)
      await allHold(before)
      expect(await kept()).toHaveLength(3)
    })

    it('is undone: the old cluster runs as before, once and again', async () => {
      await live.removeAside(manifest)
      await allHold(changed)
      await live.removeAside(manifest)
      expect(await live.fingerprint()).toBe(confirm)
      expect(await source.leftovers()).toEqual([])
    })
  })
})
