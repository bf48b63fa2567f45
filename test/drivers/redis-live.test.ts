import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type RedisServer, startRedis } from '../../scripts/toolbox/redis.ts'
import type { Manifest } from '../../src/core/records.ts'
import type { DriverContext, LiveRestore, RestoreChoice, SourceDriver } from '../../src/drivers/driver.ts'
import { processesIn } from '../../src/process/in-folder.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { contextFor, nextRequest, openRepository, type Repository, takePoint } from '../conformance/driver.ts'
import { ask, contentsOf, fillRedis, redisConfig, redisDriver } from '../support/redis.ts'

describe('a restore over a live Redis', () => {
  let repository: Repository
  let scratchDir: string
  let server: RedisServer
  let driver: SourceDriver
  let manifest: Manifest
  let before: string
  const start = (dir: string) => startRedis({ dir, appendonly: true, password: 'sesame', args: ['--repl-diskless-sync-delay', '0'] })
  beforeAll(async () => {
    repository = await openRepository()
  })
  afterAll(() => rm(repository.dir, { recursive: true, force: true }))
  beforeEach(async () => {
    scratchDir = await mkdtemp(join(tmpdir(), 'hfr-'))
    await mkdir(join(scratchDir, 'server'))
    server = await start(join(scratchDir, 'server'))
    await fillRedis(server.url)
    driver = await redisDriver(redisConfig(server.url, scratchDir))
    manifest = await takePoint(driver, repository, nextRequest())
    before = await contentsOf(server.url)
    await ask(server.url, 'FLUSHALL')
    await ask(server.url, 'SET', 'later', 'goes')
  })
  afterEach(async () => {
    await driver?.destroy(place())
    await server?.stop()
    await rm(scratchDir, { recursive: true, force: true })
  })

  const live = (): LiveRestore => driver.live as LiveRestore
  const artifacts = () => createSource({ store: repository.store, identityFile: repository.identity.file })
  const place = (choice: RestoreChoice = {}) => ({ dir: join(scratchDir, 'restore-1'), choice })
  const aside = async () => (await live().restoreAside(contextFor(), manifest, artifacts(), place())).oid ?? ''
  const swap = (confirm: string, oid: string, context: DriverContext = contextFor()) =>
    live().swap(manifest, confirm, oid, { context, source: artifacts(), ...place() })
  const replication = async () => String(await ask(server.url, 'INFO', 'replication'))
  const setting = async (name: string) => ((await ask(server.url, 'CONFIG', 'GET', name)) as string[])[1]
  const running = async () => (await processesIn(scratchDir)).filter(({ cwd }) => !cwd.endsWith('/server'))

  it('brings back everything without a restart, and its append-only file brings it back after one', async () => {
    await ask(server.url, 'FUNCTION', 'FLUSH')
    const confirm = await live().fingerprint()
    await live().check(manifest, confirm)
    const oid = await aside()
    expect(await ask(server.url, 'GET', 'later')).toBe('goes')
    expect(await swap(confirm, oid)).toMatchObject({ database: `127.0.0.1:${server.port}` })
    expect(await contentsOf(server.url)).toBe(before)
    expect(await ask(server.url, 'FUNCTION', 'LIST')).toHaveLength(1)
    expect(await setting('masterauth')).toBe('')
    expect(await running()).toEqual([])
    await server.stop()
    server = await start(server.dir)
    expect(await contentsOf(server.url)).toBe(before)
  })

  it('does nothing when it is repeated: what was written since stays', async () => {
    const confirm = await live().fingerprint()
    const oid = await aside()
    await swap(confirm, oid)
    await ask(server.url, 'SET', 'after', 'stays')
    await swap(confirm, oid)
    await live().removeAside(manifest, place())
    expect(await ask(server.url, 'GET', 'after')).toBe('stays')
    expect(await replication()).toContain('role:master')
  })

  it('takes no writes until what it holds is compared, and then does', async () => {
    const answers = new Map<string, Promise<unknown>>()
    const context = {
      ...contextFor(),
      onProgress: ({ phase }: { phase: string }) => void (answers.has(phase) || answers.set(phase, written())),
    }
    const written = () => ask(server.url, 'SET', 'meanwhile', '1').catch(String)
    await swap(await live().fingerprint(), await aside(), context)
    expect(await answers.get('compare')).toMatch(/READONLY/)
    expect(await ask(server.url, 'SET', 'meanwhile', '1')).toBe('OK')
  })

  it('ends when the append-only file is written anew, and not before', async () => {
    let rewriting: Promise<unknown> | undefined
    const rewrite = async () => {
      await ask(server.url, 'CONFIG', 'SET', 'rdb-key-save-delay', '5000')
      await ask(server.url, 'BGREWRITEAOF')
    }
    const context = {
      ...contextFor(),
      onProgress({ phase }: { phase: string }) {
        if (phase === 'compare') rewriting ??= rewrite()
      },
    }
    await swap(await live().fingerprint(), await aside(), context)
    await rewriting
    const info = String(await ask(server.url, 'INFO', 'persistence'))
    expect(info).toContain('aof_rewrite_in_progress:0')
    expect(Number(/aof_last_rewrite_time_sec:(\d+)/.exec(info)?.[1])).toBeGreaterThan(0)
  })

  it('goes on where a try was killed, in whichever step', async () => {
    for (const phase of ['replicate', 'fetch', 'compare']) {
      await ask(server.url, 'SET', 'later', phase)
      const confirm = await live().fingerprint()
      const oid = await aside()
      await expect(
        swap(
          confirm,
          oid,
          contextFor((progress) => progress.phase === phase),
        ),
        phase,
      ).rejects.toMatchObject({ code: 'CANCELLED' })
      await swap(confirm, oid)
      expect(await contentsOf(server.url), phase).toBe(before)
    }
  })

  it('that is given up lets the server take writes again, and forgets the password', async () => {
    const oid = await aside()
    const context = contextFor(({ phase }) => phase === 'replicate')
    await expect(swap(await live().fingerprint(), oid, context)).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(await replication()).toContain('role:slave')
    await live().removeAside(manifest, place())
    await live().removeAside(manifest, place())
    expect(await ask(server.url, 'SET', 'open', '1')).toBe('OK')
    expect(await setting('masterauth')).toBe('')
    expect(await running()).toEqual([])
  })

  it('leaves a server closed that holds something else than the point', async () => {
    const confirm = await live().fingerprint()
    const oid = await aside()
    const wrong = {
      ...manifest,
      inventory: { ...manifest.inventory, content: { digest: '0'.repeat(40), engine: manifest.versions['redis'] ?? '' } },
    }
    const filling = { context: contextFor(), source: artifacts(), ...place() }
    await expect(live().swap(wrong, confirm, oid, filling)).rejects.toMatchObject({ code: 'VERIFY_FAILED' })
    await live().removeAside(manifest, place())
    await expect(ask(server.url, 'SET', 'x', '1')).rejects.toThrow(/READONLY/)
    // And the next restore may go over it.
    const again = await live().fingerprint()
    await live().check(manifest, again)
    await swap(again, await aside())
    expect(await contentsOf(server.url)).toBe(before)
  })

  it('uses the password that the server knows for its master, and leaves it', async () => {
    await ask(server.url, 'CONFIG', 'SET', 'masterauth', 'of its own')
    await ask(server.url, 'CONFIG', 'SET', 'masteruser', 'replicator')
    await swap(await live().fingerprint(), await aside())
    expect(await contentsOf(server.url)).toBe(before)
    expect(await setting('masterauth')).toBe('of its own')
  })

  it('refuses to swap in what a straggler made again', async () => {
    const confirm = await live().fingerprint()
    const oid = await aside()
    await aside()
    await expect(swap(confirm, oid)).rejects.toMatchObject({ code: 'STORE_CONFLICT' })
    expect(await ask(server.url, 'GET', 'later')).toBe('goes')
  })

  it('is refused without the fingerprint, after a restart, over a replica, and where writes would be lost', async () => {
    const confirm = await live().fingerprint()
    const refused = (code: string, given = confirm, choice: RestoreChoice = {}) =>
      expect(live().check(manifest, given, choice), code).rejects.toMatchObject({ code })
    await refused('CONFIRM_MISMATCH', '')
    await refused('SOURCE_UNFIT', confirm, { mode: 'empty' })
    await refused('INPUT_INVALID', confirm, { mode: 'upsert' })
    await refused('INPUT_INVALID', confirm, { into: 'elsewhere' })
    await refused('INPUT_INVALID', confirm, { parts: ['no such part'] })
    await ask(server.url, 'CONFIG', 'SET', 'maxmemory', '1mb')
    await refused('SPACE_SHORT')
    await ask(server.url, 'CONFIG', 'SET', 'maxmemory', '0')
    await ask(server.url, 'CONFIG', 'SET', 'replica-read-only', 'no')
    await refused('SOURCE_UNFIT')
    await ask(server.url, 'CONFIG', 'SET', 'replica-read-only', 'yes')
    await ask(server.url, 'REPLICAOF', '127.0.0.1', '1')
    await refused('SOURCE_UNFIT')
    await ask(server.url, 'REPLICAOF', 'NO', 'ONE')
    await server.stop()
    const { port } = server
    server = await startRedis({ dir: server.dir, port, password: 'sesame' })
    await refused('CONFIRM_MISMATCH')
    await ask(server.url, 'FLUSHALL')
    await live().check(manifest, await live().fingerprint(), { mode: 'empty' })
  })
})
