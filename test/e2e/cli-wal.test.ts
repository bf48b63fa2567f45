/** `archive_command` and `restore_command` as PostgreSQL runs them: a real server ships its log and a copy reads it back. */
import { randomBytes } from 'node:crypto'
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cluster, reachableFolder } from '../../scripts/toolbox/postgres.ts'
import { type S3Server, startS3 } from '../../scripts/toolbox/s3.ts'
import { startSsh } from '../../scripts/toolbox/ssh.ts'
import { until } from '../../src/process/wait.ts'
import { makeIdentity } from '../support/age.ts'
import { answer, holdfast, refusal } from '../support/cli.ts'
import {
  ARCHIVE,
  baseBackup,
  filesBelow,
  giveToPostgres,
  restoreCommand,
  shipped,
  shippingCluster,
  signalled,
  writeArchiveConfig,
} from '../support/wal-shipping.ts'

const MIB = 1024 * 1024

interface Place {
  root: string
  config: string
  stop(): Promise<void>
}

async function onFolder(): Promise<Place & { store: string }> {
  const root = await reachableFolder('holdfast-ship-')
  const store = join(root, 'store')
  await mkdir(store)
  await giveToPostgres(store)
  return { root, store, config: await writeArchiveConfig(root, { type: 'folder', path: store }), stop: async () => {} }
}

async function onS3(): Promise<Place & { server: S3Server }> {
  const root = await reachableFolder('holdfast-ship-')
  // Its certificate stays when it stops.
  const server = await startS3({ dir: join(root, 's3') })
  await server.createBucket('backups')
  const secrets = join(root, 'secrets')
  await mkdir(secrets)
  for (const name of ['accessKeyId', 'secretAccessKey'] as const) await writeFile(join(secrets, name), server[name])
  const { endpoint, caFile } = server
  const keys = Object.fromEntries(['accessKeyId', 'secretAccessKey'].map((name) => [name, `\${file:${join(secrets, name)}}`]))
  const config = await writeArchiveConfig(root, { type: 's3', bucket: 'backups', endpoint, caFile, ...keys })
  return { root, server, config, stop: server.stop }
}

async function onSsh(): Promise<Place> {
  const root = await reachableFolder('holdfast-ship-')
  const { pid: _, stop, ...server } = await startSsh({ dir: join(root, 'etc') })
  const path = join(root, 'store')
  await mkdir(path)
  return { root, config: await writeArchiveConfig(root, { type: 'ssh', path, ...server }), stop }
}

describe.each([
  ['a folder', onFolder],
  ['S3', onS3],
  ['another host over SSH', onSsh],
])('a server that ships its log to %s', (_, open) => {
  let place: Place
  let primary: Cluster
  beforeAll(async () => {
    place = await open()
    primary = await shippingCluster(place.root, place.config)
  }, 180_000)
  afterAll(async () => {
    await primary?.destroy()
    await place?.stop()
    if (place) await rm(place.root, { recursive: true, force: true, maxRetries: 5 })
  })

  it('is recovered from a base backup, and what was not removed as older, to a time: exactly the rows before it, on a new timeline', async () => {
    await primary.query('create table orders (id int primary key); insert into orders select generate_series(1, 100)')
    const copy = await baseBackup(primary, join(place.root, 'copy'), { restore_command: restoreCommand(place.config) })
    await primary.query('insert into orders select generate_series(101, 200)')
    const [now] = await primary.query("select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS.US') as at")
    await shipped(primary)
    await primary.query('insert into orders select generate_series(201, 300)')
    const last = await shipped(primary)
    const [, begins = ''] = /\(file ([0-9A-F]{24})\)/.exec(await readFile(join(copy.dataDir, 'backup_label'), 'utf8')) ?? []
    const pruned = await answer(['--config', place.config, 'wal-prune', ARCHIVE, begins])
    expect(pruned).toMatchObject({ files: 1, last: expect.stringMatching(/^0{7}10{15}1$/) })
    try {
      const settings = `recovery_target_time = '${now?.['at']}+00'\nrecovery_target_action = 'promote'\n`
      await writeFile(join(copy.dataDir, 'postgresql.auto.conf'), settings, { flag: 'a' })
      await copy.start()
      await until(async () => (await copy.query('select pg_is_in_recovery() as yes'))[0]?.['yes'] === false, {
        timeoutMs: 60_000,
        what: 'the promotion',
      })
      expect(await copy.query('select count(*)::int as rows, max(id) as last from orders')).toEqual([{ rows: 200, last: 200 }])
      expect((await filesBelow(join(copy.dataDir, 'pg_wal'))).filter((file) => file.includes('holdfast'))).toEqual([])
      expect(await readFile(join(copy.dataDir, 'pg_wal', '00000002.history'), 'utf8')).toContain('before')
    } finally {
      await copy.stop('immediate')
    }
    const listed = await answer(['--config', place.config, 'wal-list', ARCHIVE])
    expect(listed).toMatchObject({ segmentBytes: 16 * MIB, gaps: [], unrecorded: 0, timelines: [{ timeline: 1, last }] })
    // The label of the base backup.
    expect(listed['others']).toBe(1)
  })
})

describe('a recovery that meets trouble', () => {
  let place: Awaited<ReturnType<typeof onFolder>>
  let primary: Cluster
  let copy: Cluster
  let last: string
  beforeAll(async () => {
    place = await onFolder()
    primary = await shippingCluster(place.root, place.config)
    copy = await baseBackup(primary, join(place.root, 'copy'), { restore_command: restoreCommand(place.config) })
    await primary.query('create table orders (id int primary key); insert into orders select generate_series(1, 100)')
    last = await shipped(primary)
  }, 180_000)
  afterAll(async () => {
    await primary?.destroy()
    await copy?.destroy()
    if (place) await rm(place.root, { recursive: true, force: true, maxRetries: 5 })
  })

  it('stops, and does not take the damaged segment for the end of the log', async () => {
    const [data = ''] = (await filesBelow(place.store)).filter((file) => file.includes(`/${last}/`) && file.endsWith('.age'))
    const path = join(place.store, data)
    const whole = await readFile(path)
    const damaged = Buffer.from(whole)
    damaged[whole.length >> 1] = (damaged[whole.length >> 1] ?? 0) ^ 1
    await writeFile(path, damaged)
    await expect(copy.start()).rejects.toThrow('postgres exited')
    const log = await readFile(copy.logFile, 'utf8')
    expect(log).toMatch(new RegExp(`FATAL: .*could not restore file "${last}" from archive: child process exited with exit code 207`))
    expect(log).toContain(`INTEGRITY: ${data}`)

    await writeFile(path, whole)
    await copy.start()
    await until(async () => (await copy.query('select pg_is_in_recovery() as yes'))[0]?.['yes'] === false, {
      timeoutMs: 60_000,
      what: 'the end of the log',
    })
    expect(await copy.query('select count(*)::int as rows from orders')).toEqual([{ rows: 100 }])
  })
})

describe('the exit codes', () => {
  const NAME = '000000010000000000000003'
  let place: Awaited<ReturnType<typeof onFolder>>
  let file: string
  let out: string
  const on = (...args: string[]) => ['--config', place.config, ...args]
  const push = (path: string) => refusal(on('wal-push', ARCHIVE, path))
  const fetch = (name: string, ...more: string[]) => refusal([...on('wal-fetch', ARCHIVE, name, out), ...more])
  beforeAll(async () => {
    place = await onFolder()
    file = join(place.root, NAME)
    out = join(place.root, 'out')
    await writeFile(file, randomBytes(MIB))
    expect(await answer(on('wal-push', ARCHIVE, file))).toMatchObject({ name: NAME, outcome: 'archived', plainBytes: MIB })
  })
  afterAll(() => rm(place.root, { recursive: true, force: true }))

  it('of a push are 0 for the same again, 4 for other content, and never above 125', async () => {
    expect(await answer(on('wal-push', ARCHIVE, file))).toMatchObject({ outcome: 'same' })
    expect(await holdfast(on('wal-push', ARCHIVE, file))).toEqual({ code: 0, stdout: '', stderr: '' })
    const other = join(place.root, 'other')
    await mkdir(other)
    await writeFile(join(other, NAME), randomBytes(MIB))
    expect(await push(join(other, NAME))).toMatchObject({ code: 'STORE_CONFLICT', exitCode: 4 })
    expect(await push(join(place.root, 'none'))).toMatchObject({ code: 'INPUT_INVALID', exitCode: 2 })
    expect(await refusal(on('wal-push', 'nope', file))).toMatchObject({ code: 'NOT_FOUND', exitCode: 6 })
  })

  it('of a fetch are 0 for the file, 1 for what was never archived', async () => {
    expect(await answer(on('wal-fetch', ARCHIVE, NAME, out))).toMatchObject({ name: NAME })
    expect((await readFile(out)).equals(await readFile(file))).toBe(true)
    expect(await fetch('000000010000000000000004')).toMatchObject({ code: 'NOT_FOUND', exitCode: 1 })
    expect(await fetch('00000002.history')).toMatchObject({ code: 'NOT_FOUND', exitCode: 1 })
  })

  it('of a fetch are above 125 for everything else: words, configuration, archive, key, store', async () => {
    expect(await refusal(on('wal-fetch', ARCHIVE, NAME))).toMatchObject({ code: 'INPUT_INVALID', exitCode: 202 })
    expect(await fetch(NAME, '--nonsense')).toMatchObject({ code: 'INPUT_INVALID', exitCode: 202 })
    expect(await fetch('.hidden')).toMatchObject({ code: 'INPUT_INVALID', exitCode: 202 })
    expect(await refusal(['wal-fetch', ARCHIVE, NAME, out, '--config', '/nowhere.yaml'])).toMatchObject({ exitCode: 202 })
    expect(await refusal(on('wal-fetch', 'nope', NAME, out))).toMatchObject({ code: 'NOT_FOUND', exitCode: 206 })

    const config = JSON.parse(await readFile(place.config, 'utf8'))
    const changed = async (change: object) => {
      const path = join(place.root, `${randomBytes(4).toString('hex')}.yaml`)
      await writeFile(path, JSON.stringify({ ...config, ...change }))
      return refusal(['--config', path, 'wal-fetch', ARCHIVE, NAME, out])
    }
    const other = await makeIdentity(place.root, 'other.txt')
    const wrong = { ...config.encryption, identityFile: other.file }
    expect(await changed({ encryption: wrong })).toMatchObject({ code: 'KEY_WRONG', exitCode: 204 })
    const empty = join(place.root, 'empty')
    await mkdir(empty)
    expect(await changed({ repositories: { hot: { type: 'folder', path: empty } } })).toMatchObject({ code: 'NOT_FOUND', exitCode: 206 })
    const gone = { hot: { type: 'folder', path: join(place.root, 'not-mounted') } }
    expect(await changed({ repositories: gone })).toMatchObject({ code: 'NOT_FOUND', exitCode: 206 })
  })

  it('are there soon: a push loads neither the client of Temporal nor, for a folder, that of S3', async () => {
    const watch = `import { registerHooks } from 'node:module'
      registerHooks({ resolve(name, context, next) { process.stderr.write(name + '\\n'); return next(name, context) } })`
    const preload = `--import=data:text/javascript,${encodeURIComponent(watch)}`
    const { code, stderr } = await holdfast(on('wal-push', ARCHIVE, file), { NODE_OPTIONS: preload })
    expect(code).toBe(0)
    const loaded = stderr.split('\n').filter((name) => /^(@|commander|pg|zod)/.test(name))
    expect(loaded).toContain('commander')
    expect(loaded.filter((name) => /^(@temporalio|@aws-sdk|pg$)/.test(name))).toEqual([])
  })

  it('of a fetch are above 125 where Holdfast itself is not whole', async () => {
    const broken = join(place.root, 'broken')
    await mkdir(join(broken, 'workers'), { recursive: true })
    await mkdir(join(broken, 'src', 'cli'), { recursive: true })
    const source = new URL('../../', import.meta.url)
    for (const path of ['workers/holdfast.ts', 'src/cli/words.ts']) await copyFile(new URL(path, source), join(broken, path))
    await writeFile(join(broken, 'package.json'), '{"type":"module"}')
    const { run } = await import('../../src/process/run.ts')
    const args = [join(broken, 'workers', 'holdfast.ts'), ...on('wal-fetch', ARCHIVE, NAME, out)]
    const { exitCode, stderr } = await run({ program: process.execPath, args }, { accept: [201] })
    expect(exitCode).toBe(201)
    expect(stderr).toContain('ERR_MODULE_NOT_FOUND')
  })
})

it('a store that is down fails a push with 8 and a fetch with 208, a bucket that is gone is not the end of the log', async () => {
  const place = await onS3()
  try {
    const file = join(place.root, '000000010000000000000003')
    await writeFile(file, randomBytes(MIB))
    const on = (...args: string[]) => refusal(['--config', place.config, ...args])
    await rm(join(place.root, 's3', 'data', 'backups'), { recursive: true })
    expect(await on('wal-fetch', ARCHIVE, '000000010000000000000003', join(place.root, 'out'))).toMatchObject({ exitCode: 206 })
    await place.server.stop()
    const [push, fetch] = await Promise.all([
      on('wal-push', ARCHIVE, file),
      on('wal-fetch', ARCHIVE, '000000010000000000000003', join(place.root, 'out')),
    ])
    expect(push).toMatchObject({ code: 'STORE_UNREACHABLE', exitCode: 8 })
    expect(fetch).toMatchObject({ code: 'STORE_UNREACHABLE', exitCode: 208 })
  } finally {
    await rm(place.root, { recursive: true, force: true })
  }
})

it.each([
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const)('%s in the middle leaves neither object nor file, and ends with %d', async (signal, code) => {
  const place = await onFolder()
  try {
    const big = join(place.root, 'big.log')
    await writeFile(big, randomBytes(200 * MIB))
    const begun = async () => (await filesBelow(place.store)).some((file) => file.includes('part-'))
    expect(await signalled(['--config', place.config, 'wal-push', ARCHIVE, big], begun, signal)).toMatchObject({
      code,
      stderr: expect.stringContaining('CANCELLED'),
    })
    expect(await filesBelow(place.store)).toEqual([])

    await answer(['--config', place.config, 'wal-push', ARCHIVE, big])
    const to = join(place.root, 'to')
    await mkdir(to)
    const writing = async () => (await filesBelow(to)).length > 0
    expect(await signalled(['--config', place.config, 'wal-fetch', ARCHIVE, 'big.log', join(to, 'out')], writing, signal)).toMatchObject({
      code,
      stderr: expect.stringContaining('CANCELLED'),
    })
    expect(await filesBelow(to)).toEqual([])
  } finally {
    await rm(place.root, { recursive: true, force: true })
  }
})
