/** The two renames of a physical live restore, and their undo, with another try or a supervisor at work meanwhile; folders only, no server. */
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { reachableFolder } from '../../scripts/toolbox/postgres.ts'
import { HoldfastError } from '../../src/core/errors.ts'
import type { Manifest } from '../../src/core/records.ts'
import { begin } from '../../src/drivers/postgres-physical/live-note.ts'
import { fingerprintOf, type LivePlace } from '../../src/drivers/postgres-physical/live-place.ts'
import { exchange, putBack } from '../../src/drivers/postgres-physical/live-swap.ts'
import { startDaemon } from '../../src/process/daemon.ts'
import { processesIn } from '../../src/process/in-folder.ts'
import { until } from '../../src/process/wait.ts'
import { quiet } from '../support/physical.ts'

const manifest = { id: 'p', source: 'orders', consistency: {} } as Manifest
const yes = { confirmed: async () => {} }
let root: string
let dataDir: string
let kept: string
let copy: string
let made: string
let place: LivePlace

/** A cluster to whoever asks for its control file. */
async function cluster(dir: string, name: string, files: string[] = []): Promise<void> {
  await mkdir(join(dir, 'global'), { recursive: true })
  for (const file of ['global/pg_control', ...files]) await writeFile(join(dir, file), '')
  await writeFile(join(dir, 'name'), name)
}
const nameIn = (dir: string) => readFile(join(dir, 'name'), 'utf8')
/** A service whose commands are lines of a shell, and leave a word that they ran. */
const service = (stop: string, start = 'true') => ({
  stop: ['sh', '-ec', `${stop}; echo stop >> ${root}/called`],
  start: ['sh', '-ec', `${start}; echo start >> ${root}/called`],
})
const called = async () => (await readFile(join(root, 'called'), 'utf8').catch(() => '')).split('\n').slice(0, -1)
const underWay = async () => (await readdir(root)).some((name) => name.endsWith('restore-under-way'))

beforeEach(async () => {
  root = await reachableFolder('holdfast-swap-')
  dataDir = join(root, 'data')
  kept = `${dataDir}.before-p`
  copy = join(root, 'data.p-1234', 'data')
  await cluster(copy, 'new', ['recovery.signal'])
  made = `data.p-1234/${(await stat(copy)).ino}`
  await writeFile(join(root, 'pg_controldata'), '#!/bin/sh\necho "Database system identifier: 7"\n', { mode: 0o755 })
  place = { host: 'db1', dataDir, service: undefined, binDir: root, connection: `host=${root}` }
})
afterEach(() => rm(root, { recursive: true, force: true }))

describe('between the two renames', () => {
  beforeEach(async () => {
    await cluster(kept, 'old')
    await begin(dataDir, { made, kept })
  })

  it('the cluster set aside is the one that is confirmed, so that the same command goes on', async () => {
    expect(await fingerprintOf(place)).toBe(`db1:${dataDir}:7`)
  })

  it('a server that something started on the old one is found: that is back in its place, and it is said', async () => {
    const server = await startDaemon({ program: 'sleep', args: ['60'], cwd: kept }, { logFile: join(root, 'log') })
    try {
      const works = async () => (await processesIn(kept)).some(({ name }) => name === 'sleep')
      await until(works, { timeoutMs: 10_000, what: 'the process to work there' })
      await expect(exchange(place, manifest, { made, ...yes }, quiet())).rejects.toMatchObject({
        code: 'SOURCE_LOCKED',
        retryable: false,
        message: expect.stringContaining(`sleep (pid ${server.pid}) was started on ${dataDir}`),
        next: expect.stringContaining('Restart='),
      })
      expect(await nameIn(dataDir)).toBe('old')
      expect(await nameIn(copy)).toBe('new')
    } finally {
      process.kill(server.pid)
      await server.exited
    }
  })
})

describe('a try that was frozen and thaws', () => {
  beforeEach(() => cluster(dataDir, 'old'))

  it('and was given up stops no server, and renames nothing', async () => {
    const stillWanted = () => Promise.reject(new HoldfastError('CANCELLED', 'try 1 of swapIn was given up'))
    const attempt = exchange({ ...place, service: service('true') }, manifest, { made, ...yes, stillWanted }, quiet())
    await expect(attempt).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(await called()).toEqual([])
    expect(await nameIn(dataDir)).toBe('old')
  })

  it('while another swapped it in goes on from there', async () => {
    const stillWanted = async () => void (await exchange(place, manifest, { made, ...yes }, quiet()))
    expect(await exchange(place, manifest, { made, ...yes, stillWanted }, quiet())).toEqual({ kept })
    expect(await nameIn(dataDir)).toBe('new')
    expect(await nameIn(kept)).toBe('old')
  })

  it('while another put the old one back leaves that where it is', async () => {
    await exchange(place, manifest, { made, ...yes }, quiet())
    await putBack({ ...place, service: service(`mv ${dataDir} ${copy}; mv ${kept} ${dataDir}; rm -r ${root}/data.p-*`) }, quiet())
    expect(await nameIn(dataDir)).toBe('old')
    expect(await called()).toEqual(['stop'])
  })
})

describe('the undo', () => {
  beforeEach(async () => {
    await cluster(dataDir, 'old')
    await exchange(place, manifest, { made, ...yes }, quiet())
  })

  it('puts the old one back while the new one has not ended its recovery', async () => {
    await putBack({ ...place, service: service('true') }, quiet())
    expect(await nameIn(dataDir)).toBe('old')
    expect(await called()).toEqual(['stop', 'start'])
    expect(await underWay()).toBe(false)
  })

  it('leaves the new one that has, whatever its server answers: it may have taken writes', async () => {
    await rm(join(dataDir, 'recovery.signal'))
    await putBack({ ...place, service: service('true') }, quiet())
    expect(await nameIn(dataDir)).toBe('new')
    expect(await nameIn(kept)).toBe('old')
    expect(await called()).toEqual([])
    expect(await underWay()).toBe(false)
  })

  it('leaves it and starts it again where it ended its recovery until it was stopped', async () => {
    await putBack({ ...place, service: service(`rm ${dataDir}/recovery.signal`) }, quiet())
    expect(await nameIn(dataDir)).toBe('new')
    expect(await called()).toEqual(['stop', 'start'])
    expect((await readdir(root)).filter((name) => name.startsWith('data')).sort()).toEqual(['data', basename(kept), 'data.p-1234'])
  })
})
