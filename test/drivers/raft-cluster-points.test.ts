import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { CaptureRequest, SourceDriver } from '../../src/drivers/driver.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { until } from '../../src/process/wait.ts'
import { contextFor, failures, nextRequest, openRepository, type Repository, takePoint } from '../conformance/driver.ts'
import { type ClusterSource, fill, openClusterSource } from '../support/raft-cluster.ts'

const CHILD = fileURLToPath(new URL('../support/raft-cluster-child.ts', import.meta.url))
let repository: Repository
let source: ClusterSource
let driver: SourceDriver
let scratch: string
const cold = (): CaptureRequest => ({ ...nextRequest(), kind: 'full' })
const soon = (check: () => Promise<boolean>, what: string) => until(check, { timeoutMs: 30_000, what })
const inProgress = async () => (await source.cluster.metric('neumann_snapshot_in_progress', await source.leader())) === 1
const admin = (command: string) => source.cluster.admin([command])

beforeAll(async () => {
  repository = await openRepository()
  scratch = await mkdtemp(join(tmpdir(), 'holdfast-scratch-'))
})
afterAll(async () => {
  await rm(repository.dir, { recursive: true, force: true })
  await rm(scratch, { recursive: true, force: true })
})
beforeEach(async () => {
  source = await openClusterSource()
  await fill(source.cluster)
  driver = await source.driver()
}, 60_000)
afterEach(() => source.remove())

describe('a hot snapshot', { timeout: 120_000 }, () => {
  it('is taken again on the next leader where the first goes away in the middle of it', async () => {
    const first = await source.leader()
    await first.fail({ snapshotMs: 60_000 })
    const request: CaptureRequest = { ...nextRequest(), kind: 'snapshot' }
    const taking = takePoint(driver, repository, request)
    await soon(inProgress, 'a snapshot under way')
    await first.kill()
    const manifest = await taking
    const next = await source.leader()
    expect(next.id).not.toBe(first.id)
    expect(await readdir(join(next.dir, 'raft', 'snapshots'))).toContain(manifest.consistency.snapshot)
    expect(await source.leftovers()).toEqual([])
  })

  it('that fails, as on a full disk, is an error that says where to look, and leaves nothing', async () => {
    const leader = await source.leader()
    await leader.fail({ disk: 'full' })
    await expect(driver.snapshot?.(contextFor(), nextRequest())).rejects.toMatchObject({
      code: 'PROCESS_FAILED',
      message: expect.stringContaining(`node-${leader.id}`),
      next: expect.stringContaining('disk'),
    })
    expect(await source.leftovers()).toEqual([])
  })

  it('has what was acknowledged before it, though another one was under way that has not', async () => {
    const leader = await source.leader()
    await leader.fail({ snapshotMs: 1500 })
    await fetch(`${leader.url}/admin/snapshot`, { method: 'POST' })
    await fill(source.cluster, 'later')
    const manifest = await takePoint(driver, repository, nextRequest())
    expect(manifest.inventory?.['snapshot']).toMatchObject({ 'entries at least': 40, 'entries at most': 40 })
  })

  it('whose bytes changed on the node after it was taken is not uploaded', async () => {
    const request = nextRequest()
    const context = contextFor()
    const snapshot = await driver.snapshot?.(context, request)
    const leader = await source.leader()
    const [name = ''] = await readdir(join(leader.dir, 'raft', 'snapshots'))
    const file = join(leader.dir, 'raft', 'snapshots', name)
    await writeFile(file, (await readFile(file, 'utf8')).replace('value 7', 'valve 7'))
    const sink = { store: never, storeStream: never, storeBytes: never }
    await expect(driver.capture(context, { ...request, ...(snapshot && { snapshot }) }, sink)).rejects.toMatchObject({ code: 'INTEGRITY' })
    await driver.removeSnapshot?.(context, request.id)
    expect(await source.leftovers()).toEqual([])
  })

  it('is found again by its id at a second try', async () => {
    const request = nextRequest()
    const first = await driver.snapshot?.(contextFor(), request)
    await fill(source.cluster, 'later')
    expect(await driver.snapshot?.(contextFor(), { ...request, attempt: 2 })).toEqual(first)
    await driver.removeSnapshot?.(contextFor(), request.id)
  })
})

const never = () => Promise.reject(new Error('nothing is stored'))

describe('a cold backup', { timeout: 120_000 }, () => {
  it('has the store, counts exactly, says how long writes were paused, and proves', async () => {
    const manifest = await takePoint(driver, repository, cold())
    expect(await source.paused()).toBe(false)
    expect(manifest.inventory?.['snapshot']).toMatchObject({ 'entries at least': 20, 'entries at most': 20 })
    expect(manifest.inventory?.['pause']).toEqual({ seconds: expect.any(Number) })
    expect(manifest.warnings).toEqual([])
    const artifacts = createSource({ store: repository.store, identityFile: repository.identity.file })
    const { target } = await driver.restore(contextFor(), manifest, artifacts, { dir: join(scratch, 'cold') })
    const proof = await driver.verify(contextFor(), manifest, target, { depth: 'full', assertions: [] })
    expect(failures(proof)).toEqual([])
    expect(proof.find(({ name }) => name === 'total_entries')).toMatchObject({ expected: '20', actual: '20' })
    expect(await readdir(join(target.dir, 'data', 'store'))).toEqual(['kv.db'])
    await driver.destroy({ dir: target.dir })
  })

  it('without a way to start a node is checked as files, and the proof says so', async () => {
    const offline = await source.driver({ scratch: undefined })
    const manifest = await takePoint(offline, repository, cold())
    const artifacts = createSource({ store: repository.store, identityFile: repository.identity.file })
    const { target } = await offline.restore(contextFor(), manifest, artifacts, { dir: join(scratch, 'offline') })
    const asked = { depth: 'full', assertions: [{ name: 'orders', query: 'SELECT COUNT(*) FROM orders', equals: '20' }] } as const
    const proof = await offline.verify(contextFor(), manifest, target, asked)
    expect(proof.map(({ name, ok }) => [name, ok])).toEqual([
      ['files', true],
      ['checksum', true],
      ['verify-checksums', true],
      ['node', true],
      ['orders', false],
    ])
    expect(proof.find(({ name }) => name === 'node')?.actual).toContain('no node is started')
    await offline.destroy({ dir: target.dir })
  })

  it('that fails in the middle has resumed writes', async () => {
    await (await source.leader()).fail({ snapshot: 'fails' })
    await expect(driver.snapshot?.(contextFor(), cold())).rejects.toMatchObject({ code: 'PROCESS_FAILED' })
    expect(await source.paused()).toBe(false)
  })

  it('that is cancelled in the middle has resumed writes', async () => {
    await (await source.leader()).fail({ snapshotMs: 60_000 })
    const context = contextFor(({ phase }, count) => phase.startsWith('snapshot on') && count > 5)
    await expect(driver.snapshot?.(context, cold())).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(await source.paused()).toBe(false)
  })

  it('whose leader changes in the middle resumes writes under the next one', async () => {
    const first = await source.leader()
    await first.fail({ snapshotMs: 60_000 })
    const taking = driver.snapshot?.(contextFor(), cold())
    await soon(inProgress, 'a snapshot under way')
    await first.kill()
    await taking
    expect((await source.leader()).id).not.toBe(first.id)
    expect(await source.paused()).toBe(false)
  })

  it('leaves a pause alone that somebody else began, and says so', async () => {
    await admin('pause-writes')
    const manifest = await takePoint(driver, repository, cold())
    expect(manifest.warnings).toEqual([expect.stringContaining('paused before the backup by somebody else')])
    expect(await source.paused()).toBe(true)
  })
})

describe('a worker that is killed while writes are paused', { timeout: 120_000 }, () => {
  const killedAt = async (id: string): Promise<void> => {
    await (await source.leader()).fail({ snapshotMs: 60_000 })
    const child = spawn(process.execPath, [CHILD, JSON.stringify(source.config()), id], { stdio: 'inherit' })
    const ended = new Promise((done) => child.once('exit', done))
    await soon(async () => (await source.paused()) && (await inProgress()), 'a snapshot under a pause')
    child.kill('SIGKILL')
    await ended
    await (await source.leader()).fail({ snapshotMs: 0 })
    expect(await source.paused()).toBe(true)
  }

  it('has them resumed by the undo of its run, and nothing is left', async () => {
    const { id } = cold()
    await killedAt(id)
    await driver.removeSnapshot?.(contextFor(), id)
    expect(await source.paused()).toBe(false)
    expect(await source.leftovers()).toEqual([])
  })

  it('has them resumed by the next backup, where nobody undid it', async () => {
    await killedAt(cold().id)
    // The one of the killed worker is still written.
    const leader = await source.leader()
    await leader.stop()
    await leader.start()
    await takePoint(driver, repository, nextRequest())
    expect(await source.paused()).toBe(false)
    expect(await source.leftovers()).toEqual([])
  })

  it('is not taken for whoever paused writes after it, where its mark stayed on a node that was away', async () => {
    const { id } = cold()
    await killedAt(id)
    const mark = join(source.dir, 'cluster', 'node-3.holdfast-orders', id, 'paused')
    const text = await readFile(mark, 'utf8')
    await driver.removeSnapshot?.(contextFor(), id)
    await admin('pause-writes')
    await mkdir(join(mark, '..'), { recursive: true })
    await writeFile(mark, text)
    await driver.removeSnapshot?.(contextFor(), id)
    expect(await source.paused()).toBe(true)
    expect(await source.leftovers()).toEqual([])
  })
})
