/** What the driver's README says is done as it stands there. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { startFalkorDB } from '../../scripts/toolbox/falkordb.ts'
import { lookUp } from '../../scripts/toolbox/find.ts'
import { type RedisServer, startRedis } from '../../scripts/toolbox/redis.ts'
import { sourceSchema } from '../../src/config/schema.ts'
import type { Manifest } from '../../src/core/records.ts'
import { run } from '../../src/process/run.ts'
import { stopProcessesIn } from '../../src/process/in-folder.ts'
import { nextRequest, openRepository, type Repository, takePoint } from '../conformance/driver.ts'
import { falkorConfig, fillGraphs, graphContents } from '../support/falkordb.ts'
import { ask, contentsOf, fillRedis, REDIS_PROGRAMS, redisConfig, redisDriver } from '../support/redis.ts'

const readme = await readFile('src/drivers/redis/README.md', 'utf8')
const blocks = (language: string) => [...readme.matchAll(new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``, 'g'))].map(([, text]) => text ?? '')
const [byHand = '', graphByHand = ''] = blocks('sh')

describe('the README of redis', () => {
  let dir: string
  let repository: Repository
  let server: RedisServer | undefined
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'hfm-'))
    repository = await openRepository()
    server = undefined
  })
  afterEach(async () => {
    await server?.stop()
    await stopProcessesIn(dir)
    await rm(dir, { recursive: true, force: true })
    await rm(repository.dir, { recursive: true, force: true })
  })
  const shell = (script: string, env: Record<string, string> = {}) =>
    run({ program: 'sh', args: ['-e', '-c', script], cwd: dir, env }, { timeoutMs: 60_000 })
  /** The stored object and the key, as somebody has them who has nothing else. */
  const fetchTo = async (manifest: Manifest, part: string, name: string) => {
    const artifact = manifest.artifacts.find((one) => one.part === part)
    const chunks: Buffer[] = []
    for await (const chunk of await repository.store.get(artifact?.key ?? '')) chunks.push(Buffer.from(chunk as Buffer))
    await writeFile(join(dir, name), Buffer.concat(chunks))
    await writeFile(join(dir, 'key.txt'), await readFile(repository.identity.file))
  }

  it('shows a configuration that holds', () => {
    const [example = ''] = blocks('yaml')
    const { sources } = parse(example) as { sources: Record<string, unknown> }
    expect(sourceSchema.parse(sources['graph'])).toMatchObject({
      driver: 'redis',
      retention: {},
      schedules: { scheduled: { calendar: 'hourly' } },
    })
  })

  it('restores an RDB by hand onto a server with an append-only file, which starts empty of the RDB alone', async () => {
    server = await startRedis({ dir: join(dir, 'data'), appendonly: true, args: ['--repl-diskless-sync-delay', '0'] })
    await fillRedis(server.url)
    const before = await contentsOf(server.url)
    const manifest = await takePoint(await redisDriver(redisConfig(server.url, dir)), repository, nextRequest())
    await fetchTo(manifest, 'dump.rdb', 'dump.rdb.zst.age')
    await ask(server.url, 'FLUSHALL')
    await server.stop()
    const { port, url } = server
    const env = { DATA: join(dir, 'data'), CONF: join(dir, 'data', 'redis.conf'), PORT: String(port) }
    const withoutLast = byHand.split('\n').slice(0, 4).join('\n')
    await shell(`${withoutLast}\ncp dump.rdb "$DATA/dump.rdb"\nredis-server "$CONF" --daemonize yes`, env)
    await expect.poll(() => contentsOf(url).catch(() => undefined)).toBe('')
    await stopProcessesIn(join(dir, 'data'))
    // As in a service: the server in the background, and the next command once it answers.
    await shell(
      byHand.replace('--appendonly no', '--appendonly no --daemonize yes; until redis-cli -p "$PORT" PING | grep -q PONG; do :; done'),
      env,
    )
    expect(await contentsOf(url)).toBe(before)
    await expect.poll(() => ask(url, 'INFO', 'persistence')).toContain('aof_rewrite_in_progress:0')
    await stopProcessesIn(join(dir, 'data'))
    server = await startRedis({ dir: join(dir, 'data'), port, appendonly: true })
    expect(await contentsOf(server.url)).toBe(before)
  })

  it.skipIf(lookUp('falkordb-redis-server') === undefined)('makes a graph again by redis-cli alone', async () => {
    server = await startFalkorDB({ dir: join(dir, 'data'), args: ['--repl-diskless-sync-delay', '0'] })
    await fillGraphs(server.url)
    const before = await graphContents(server.url, 'social')
    const manifest = await takePoint(await redisDriver(falkorConfig(server.url, dir)), repository, nextRequest())
    await fetchTo(manifest, 'graphs/0/social', 'social.zst.age')
    await ask(server.url, 'GRAPH.DELETE', 'social')
    await shell(graphByHand, { PORT: String(server.port), PATH: `${join(REDIS_PROGRAMS().cli, '..')}:${process.env['PATH']}` })
    await expect.poll(() => graphContents((server as RedisServer).url, 'social'), { timeout: 20_000 }).toBe(before)
  })
})
