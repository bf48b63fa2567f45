/** A Redis with every type of key, saved by its host; its password is a secret of the environment. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { findProgram } from '../toolbox/find.ts'
import { type RedisServer, startRedis } from '../toolbox/redis.ts'
import type { OpenSample } from './sample.ts'

/** Runs `use` with a client of the server. */
export async function withRedis<T>({ url }: RedisServer, use: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(url, { retryStrategy: () => null })
  try {
    return await use(client)
  } finally {
    client.disconnect()
  }
}

const fill = (server: RedisServer): Promise<void> =>
  withRedis(server, async (client) => {
    const pipeline = client.pipeline()
    for (let i = 0; i < 5_000; i += 1) {
      pipeline.set(`user:${i}`, `name ${i}`)
      pipeline.sadd(`team:${i % 50}`, `user:${i}`)
      pipeline.zadd('scores', i / 3, `user:${i}`)
      pipeline.hset(`profile:${i % 100}`, `field ${i}`, `value ${i}`)
      pipeline.xadd('events', `1-${i + 1}`, 'user', String(i))
    }
    pipeline.rpush('jobs', ...Array.from({ length: 300 }, (_, i) => `job ${i}`))
    pipeline.set('session', 'ends in a year', 'EX', 31_536_000)
    await pipeline.exec()
    await client.select(1)
    await client.set('elsewhere', 'another database')
  })

/** Every key of every database; sets and hashes in order, since they have none. */
const contents = (server: RedisServer): Promise<string> =>
  withRedis(server, async (client) => {
    const lines: string[] = []
    for (const [, db] of (await client.info('keyspace')).matchAll(/^db(\d+):/gm)) {
      await client.select(Number(db))
      for (const key of (await client.keys('*')).sort()) lines.push(`${db} ${key} ${await textOf(client, key)}`)
    }
    return lines.join('\n')
  })

async function textOf(client: Redis, key: string): Promise<string> {
  const type = await client.type(key)
  if (type === 'set') return JSON.stringify((await client.smembers(key)).sort())
  if (type === 'hash') return JSON.stringify(Object.entries(await client.hgetall(key)).sort())
  return `${await client.call('PEXPIRETIME', key)} ${(await client.dumpBuffer(key))?.toString('hex')}`
}

export const openRedis: OpenSample = async (dir) => {
  const server = await startRedis({
    dir,
    password: 'a password of the sample',
    appendonly: true,
    args: ['--repl-diskless-sync-delay', '0'],
  })
  await fill(server)
  return {
    driver: 'redis',
    config: {
      host: 'here',
      url: `redis://127.0.0.1:${server.port}`,
      password: '${env:SAMPLE_REDIS_PASSWORD}',
      fetch: 'folder',
      dataDir: dir,
      programs: Object.fromEntries(
        Object.entries({ server: 'redis-server', cli: 'redis-cli', checkRdb: 'redis-check-rdb' }).map(([name, program]) => [
          name,
          findProgram(program),
        ]),
      ),
      verify: { assertions: [{ command: ['LLEN', 'jobs'], equals: '300' }] },
    },
    env: { SAMPLE_REDIS_PASSWORD: 'a password of the sample' },
    contents: () => contents(server),
    async change() {
      await withRedis(server, async (client) => {
        await client.set('user:7', 'somebody else')
        await client.rpush('jobs', 'one more')
      })
    },
    async destroy() {
      await withRedis(server, (client) => client.flushall())
    },
    leftovers: async () => [
      ...(await readdir(dir)).filter((name) => name.includes('holdfast')),
      ...(await readdir(join(dir, '..', 'scratch')).catch(() => [])),
    ],
    close: () => server.stop(),
  }
}
