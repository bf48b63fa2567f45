import { chmod, mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { makeCertificate } from '../../scripts/toolbox/certificate.ts'
import { freePort } from '../../scripts/toolbox/ports.ts'
import { type RedisServer, startRedis } from '../../scripts/toolbox/redis.ts'
import type { Manifest } from '../../src/core/records.ts'
import type { SourceDriver } from '../../src/drivers/driver.ts'
import { glance, requireSame } from '../../src/drivers/redis/at-rest.ts'
import { checkRdb } from '../../src/drivers/redis/check.ts'
import { withServer } from '../../src/drivers/redis/connect.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { until } from '../../src/process/wait.ts'
import { contextFor, failures, nextRequest, openRepository, type Repository, takePoint } from '../conformance/driver.ts'
import { ask, fillRedis, leftIn, REDIS_PROGRAMS, redisConfig, redisDriver, withRedis } from '../support/redis.ts'

describe('redis', () => {
  let dir: string
  let server: RedisServer
  let repository: Repository
  beforeEach(async () => {
    repository = await openRepository()
    dir = await mkdtemp(join(tmpdir(), 'hfc-'))
    await mkdir(join(dir, 'data'))
    server = await startRedis({ dir: join(dir, 'data'), args: ['--repl-diskless-sync-delay', '0', '--save', ''] })
  })
  afterEach(async () => {
    await server.stop()
    await rm(dir, { recursive: true, force: true })
    await rm(repository.dir, { recursive: true, force: true })
  })
  const over = (more: Record<string, unknown> = {}) => redisDriver(redisConfig(server.url, dir, more))
  const fromFolder = () => over({ fetch: 'folder', host: 'here', dataDir: join(dir, 'data') })
  const take = (driver: SourceDriver) => takePoint(driver, repository, nextRequest())
  const artifacts = () => createSource({ store: repository.store, identityFile: repository.identity.file })
  /** What a proof finds against the point. */
  const prove = async (driver: SourceDriver, manifest: Manifest, command?: string[], equals = '') => {
    const place = join(dir, 'proof')
    const { target } = await driver.restore(contextFor(), manifest, artifacts(), { dir: place })
    const assertions = command ? [{ name: 'asked', command, equals }] : []
    const found = await driver.verify(contextFor(), manifest, target, { depth: 'full', assertions })
    await driver.destroy({ dir: place })
    return failures(found)
  }
  const persistence = async () => String(await ask(server.url, 'INFO', 'persistence'))

  describe('saved on its host', () => {
    const slowly = async () => {
      await withRedis(server.url, async (client) => {
        for (let i = 0; i < 400; i += 1) await client.set(`slow:${i}`, 'x')
        await client.config('SET', 'rdb-key-save-delay', '4000')
      })
    }

    it('holds what was written while a save of somebody else was running', async () => {
      await slowly()
      await ask(server.url, 'BGSAVE')
      await ask(server.url, 'SET', 'after', 'the other began')
      const driver = await fromFolder()
      expect(await prove(driver, await take(driver), ['GET', 'after'], 'the other began')).toEqual([])
    })

    it('waits for a rewrite of the append-only file', async () => {
      await ask(server.url, 'CONFIG', 'SET', 'appendonly', 'yes')
      await until(async () => (await persistence()).includes('aof_rewrite_in_progress:0'), { timeoutMs: 20_000, what: 'the first rewrite' })
      await slowly()
      await ask(server.url, 'BGREWRITEAOF')
      expect(await persistence()).toContain('aof_rewrite_in_progress:1')
      await ask(server.url, 'SET', 'after', 'the rewrite began')
      const driver = await fromFolder()
      expect(await prove(driver, await take(driver), ['GET', 'after'], 'the rewrite began')).toEqual([])
    })

    it('is the file of that save, whatever is saved after it, and goes with the point', async () => {
      await ask(server.url, 'SET', 'when', 'before')
      const driver = await fromFolder()
      const request = nextRequest()
      const snapshot = await driver.snapshot?.(contextFor(), request)
      await ask(server.url, 'SET', 'when', 'later')
      await ask(server.url, 'SAVE')
      expect(await leftIn(dir)).toHaveLength(1)
      expect(await readFile(String(snapshot?.['file']), 'latin1')).toContain('before')
      await driver.removeSnapshot?.(contextFor(), request.id)
      await driver.removeSnapshot?.(contextFor(), request.id)
      expect(await leftIn(dir)).toEqual([])
      expect(await ask(server.url, 'CONFIG', 'GET', 'dbfilename')).toEqual(['dbfilename', 'dump.rdb'])
    })

    it('is not taken from a folder that the server does not save to', async () => {
      const driver = await over({ fetch: 'folder', host: 'here', dataDir: dir })
      await expect(take(driver)).rejects.toMatchObject({ code: 'SOURCE_UNFIT' })
      await writeFile(join(dir, 'dump.rdb'), 'old')
      await utimes(join(dir, 'dump.rdb'), 1, 1)
      await expect(take(driver)).rejects.toMatchObject({ code: 'SOURCE_UNFIT', message: expect.stringContaining('1970') })
    })

    it('says so where the server cannot save', async () => {
      const driver = await fromFolder()
      await rm(join(dir, 'data'), { recursive: true })
      await expect(take(driver)).rejects.toMatchObject({ code: 'PROCESS_FAILED', message: expect.stringContaining('could not save') })
    })
  })

  it('proves a point whose keys have ended since', async () => {
    await fillRedis(server.url)
    await ask(server.url, 'SET', 'soon', 'gone', 'PX', '1500')
    const driver = await over()
    const manifest = await take(driver)
    await until(async () => (await ask(server.url, 'EXISTS', 'soon')) === 0, { timeoutMs: 10_000, what: 'the key to end' })
    expect(manifest.inventory?.['db 0']).toMatchObject({ expires: 2 })
    expect(await prove(driver, manifest)).toEqual([])
  })

  it('is exact while it is written to', async () => {
    await fillRedis(server.url)
    const driver = await over()
    let writing = true
    const writer = withRedis(server.url, async (client) => {
      for (let i = 0; writing; i += 1) await client.multi().rpush('pair a', i).rpush('pair b', i).exec()
    })
    const manifest = await take(driver)
    writing = false
    await writer
    expect(await prove(driver, manifest)).toEqual([])
  })

  it('refuses an RDB that holds less than a server that nobody wrote to', async () => {
    await fillRedis(server.url)
    await withServer({ host: '127.0.0.1', port: server.port }, async (client) => {
      const seen = await glance(client)
      const inventory = { 'db 0': { keys: (seen.keyspace['0']?.keys ?? 0) - 1 }, 'db 3': { keys: 1 } }
      await expect(requireSame(client, { before: seen, after: seen, inventory })).rejects.toMatchObject({ code: 'INTEGRITY' })
      await requireSame(client, { before: { ...seen, changes: seen.changes - 1 }, after: seen, inventory })
    })
  })

  it('compares a point that was not loaded at its capture with its own RDB', async () => {
    await fillRedis(server.url)
    const driver = await over({ load: false })
    const manifest = await take(driver)
    expect(Object.keys(manifest.inventory ?? {})).toEqual(['rdb'])
    expect(await prove(driver, manifest, ['LLEN', 'jobs'], '300')).toEqual([])
    const { target } = await driver.restore(contextFor(), manifest, artifacts(), { dir: join(dir, 'proof') })
    await withRedis(target.connection, (client) =>
      client.config('SET', 'replica-read-only', 'no').then(() => client.set('user:7', 'nobody')),
    )
    expect(failures(await driver.verify(contextFor(), manifest, target, { depth: 'full', assertions: [] }))).toMatchObject([
      { name: 'content' },
    ])
    await driver.destroy(target)
  })

  it('compares digests of one version only: those of another are made again from the RDB', async () => {
    await fillRedis(server.url)
    const driver = await over()
    const manifest = await take(driver)
    const other = { ...manifest, inventory: { ...manifest.inventory, content: { digest: 'of another algorithm', engine: '6.9.9' } } }
    expect(await prove(driver, other)).toEqual([])
  })

  it('checks that an RDB is whole, undamaged and has nothing after its end', async () => {
    await fillRedis(server.url)
    await ask(server.url, 'SAVE')
    const { checkRdb: program } = REDIS_PROGRAMS()
    const whole = await readFile(join(dir, 'data', 'dump.rdb'))
    const changed = async (bytes: Buffer) => {
      await writeFile(join(dir, 'changed.rdb'), bytes)
      return checkRdb(program, join(dir, 'changed.rdb'))
    }
    expect(await changed(whole)).toMatchObject({ bytes: whole.length, checksum: 'crc64' })
    const flipped = Buffer.from(whole)
    flipped[1_000] = (flipped[1_000] ?? 0) ^ 1
    for (const bytes of [flipped, whole.subarray(0, -20), Buffer.concat([whole, Buffer.alloc(40, 'e')])])
      await expect(changed(bytes)).rejects.toMatchObject({ code: 'INTEGRITY' })
  })

  it('proves damage red, and shows it', async () => {
    await fillRedis(server.url)
    const driver = await over()
    const manifest = await take(driver)
    const place = join(dir, 'proof')
    const source = artifacts()
    const damaged = {
      ...source,
      async toFile(...[artifact, path]: Parameters<typeof source.toFile>) {
        await source.toFile(artifact, path)
        const bytes = await readFile(path)
        await writeFile(path, bytes.subarray(0, bytes.length / 2))
      },
    }
    const { target } = await driver.restore(contextFor(), manifest, damaged, { dir: place })
    const red = failures(await driver.verify(contextFor(), manifest, target, { depth: 'full', assertions: [] }))
    expect(red.map(({ name }) => name)).toEqual(['engine', 'redis-check-rdb'])
    await expect(driver.restore(contextFor(), manifest, damaged, { dir: place, promote: true })).rejects.toMatchObject({
      code: 'PROCESS_FAILED',
    })
    await driver.destroy({ dir: place })
  })

  it('tells a server that is not there from one that refuses the password, and names neither', async () => {
    const nowhere = await redisDriver(redisConfig(`redis://:geheim@127.0.0.1:${await freePort()}`, dir))
    await expect(nowhere.preflight(contextFor())).rejects.toMatchObject({
      code: 'SOURCE_UNREACHABLE',
      retryable: true,
      message: expect.not.stringContaining('geheim'),
    })
    await ask(server.url, 'CONFIG', 'SET', 'requirepass', 'sesame')
    for (const password of ['geheim', undefined]) {
      const refused = await over(password === undefined ? {} : { password })
      await expect(refused.preflight(contextFor())).rejects.toMatchObject({
        code: 'SOURCE_UNREACHABLE',
        retryable: false,
        message: expect.not.stringContaining('geheim'),
      })
    }
  })

  it('reads over TLS, and only from a server whose certificate is of the authority that is named', async () => {
    await server.stop()
    const { caFile, certFile, keyFile } = await makeCertificate(dir)
    const port = await freePort()
    const tls = [
      '--tls-port',
      String(port),
      '--tls-cert-file',
      certFile,
      '--tls-key-file',
      keyFile,
      '--tls-ca-cert-file',
      caFile,
      '--tls-auth-clients',
      'no',
    ]
    server = await startRedis({ args: ['--repl-diskless-sync-delay', '0', ...tls] })
    await fillRedis(server.url)
    const secured = (more: Record<string, unknown>) => redisDriver(redisConfig(`rediss://127.0.0.1:${port}`, dir, more))
    const driver = await secured({ tls: { caFile } })
    expect(await prove(driver, await take(driver))).toEqual([])
    await expect((await secured({})).preflight(contextFor())).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE' })
  })

  it('gives the password to no program as an argument', async () => {
    const script = join(dir, 'cli')
    const seen = join(dir, 'seen')
    await writeFile(script, `#!/bin/sh\necho "$@" >> ${seen}\nexec ${REDIS_PROGRAMS().cli} "$@"\n`)
    await chmod(script, 0o755)
    await ask(server.url, 'ACL', 'SETUSER', 'backup', 'on', '>offen sesam', '~*', '&*', '+@all')
    const driver = await over({ username: 'backup', password: 'offen sesam', programs: { cli: script } })
    const manifest = await take(driver)
    expect(await readFile(seen, 'utf8')).toContain('--user backup')
    expect(await readFile(seen, 'utf8')).not.toContain('sesam')
    expect(JSON.stringify(manifest)).not.toContain('sesam')
  })

  it('has enough with the rights that its README lists, and names one that is missing', async () => {
    await fillRedis(server.url)
    const rights = /^ACL SETUSER holdfast (.*)$/m.exec(await readFile('src/drivers/redis/README.md', 'utf8'))?.[1]?.split(' ') ?? []
    await ask(server.url, 'ACL', 'SETUSER', 'holdfast', ...rights.map((right) => (right.startsWith('>') ? '>sesame' : right)))
    const driver = await over({ username: 'holdfast', password: 'sesame' })
    expect((await driver.preflight(contextFor())).findings.filter(({ ok }) => !ok)).toEqual([])
    expect(await prove(driver, await take(driver))).toEqual([])
    await ask(server.url, 'ACL', 'SETUSER', 'holdfast', '-acl|list', '-info')
    await expect(driver.preflight(contextFor())).rejects.toMatchObject({ code: 'SOURCE_UNFIT', message: expect.stringContaining('info') })
  })

  it('keeps the users with hashes only, and sets them on request and not otherwise', async () => {
    await ask(server.url, 'ACL', 'SETUSER', 'reader', 'on', '>offen sesam', '~read:*', '+@read', '(~more:* +get)')
    const driver = await over()
    const manifest = await take(driver)
    await ask(server.url, 'ACL', 'DELUSER', 'reader')
    const place = { dir: join(dir, 'restore-1'), choice: { parts: ['acl'] } }
    const confirm = (await driver.live?.fingerprint()) ?? ''
    await driver.live?.check(manifest, confirm, place.choice)
    await driver.live?.restoreAside(contextFor(), manifest, artifacts(), place)
    const swapped = await driver.live?.swap(manifest, confirm, undefined, { context: contextFor(), source: artifacts(), ...place })
    expect(swapped?.notes?.join()).toContain('default, reader')
    expect(String(await ask(server.url, 'ACL', 'LIST'))).toMatch(/user reader on .*#[0-9a-f]{64} ~read:\* .*\+@read \(~more:\* .*\+get\)/)
    await withRedis(`redis://reader:offen%20sesam@127.0.0.1:${server.port}`, async (client) => {
      expect(await client.get('more:1')).toBeNull()
      await expect(client.get('other')).rejects.toThrow(/NOPERM/)
    })
  })

  it('refuses what it cannot restore: a cluster, a replica without its master, programs that are older', async () => {
    await ask(server.url, 'REPLICAOF', '127.0.0.1', '1')
    const red = async (driver: SourceDriver) =>
      (await driver.preflight(contextFor())).findings.filter(({ ok, required }) => required && !ok).map(({ name }) => name)
    expect(await red(await over())).toEqual(['replica'])
    await ask(server.url, 'REPLICAOF', 'NO', 'ONE')
    const script = join(dir, 'old')
    await writeFile(script, '#!/bin/sh\necho "redis-check-rdb 6.2.1"\n')
    await chmod(script, 0o755)
    await expect((await over({ programs: { checkRdb: script } })).preflight(contextFor())).rejects.toMatchObject({ code: 'VERSION_UNFIT' })
    await server.stop()
    server = await startRedis({ args: ['--cluster-enabled', 'yes'] })
    expect(await red(await over())).toEqual(['cluster'])
  })
})
