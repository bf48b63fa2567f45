/** Redis servers, filled with every type, and what is asked of them in tests. */
import { readdir } from 'node:fs/promises'
import { Redis } from 'ioredis'
import { findProgram } from '../../scripts/toolbox/find.ts'
import { redisSource, type RedisSourceConfig } from '../../src/drivers/redis/config.ts'
import { createDriver } from '../../src/drivers/redis/index.ts'
import type { SourceDriver } from '../../src/drivers/driver.ts'

export const REDIS_PROGRAMS = () => ({
  server: findProgram('redis-server'),
  cli: findProgram('redis-cli'),
  checkRdb: findProgram('redis-check-rdb'),
})

export function redisConfig(url: string, scratchDir: string, more: Record<string, unknown> = {}): RedisSourceConfig {
  return redisSource.parse({
    driver: 'redis',
    url,
    repository: 'hot',
    scratchDir,
    ...more,
    programs: { ...REDIS_PROGRAMS(), ...(more['programs'] as object) },
  })
}

export const redisDriver = (config: RedisSourceConfig): Promise<SourceDriver> =>
  createDriver(config, { source: 'cache', secret: async (reference) => reference })

/** Runs `use` with a client of the server, or of the socket of a scratch server. */
export async function withRedis<T>(at: string, use: (client: Redis) => Promise<T>): Promise<T> {
  const options = { retryStrategy: () => null, maxRetriesPerRequest: 0 }
  const client = at.startsWith('unix://') ? new Redis({ path: at.slice('unix://'.length), ...options }) : new Redis(at, options)
  client.on('error', () => {})
  try {
    return await use(client)
  } finally {
    client.disconnect()
  }
}

/** One command, as words. */
export const ask = (at: string, command: string, ...words: string[]): Promise<unknown> =>
  withRedis(at, (client) => client.call(command, ...words))

/** Every type, several databases, keys that end soon and late, a function, a stream with a group that has pending entries. */
export async function fillRedis(url: string): Promise<void> {
  await withRedis(url, async (client) => {
    const pipeline = client.pipeline()
    for (let i = 0; i < 300; i += 1) {
      pipeline.set(`user:${i}`, `name ${i}`)
      pipeline.sadd(`set:${i % 10}`, `member ${i}`, String(i * 7))
      pipeline.hset('big hash', `field ${i}`, `value ${i}`)
      pipeline.zadd('scores', i / 3, `player ${i}`)
      pipeline.rpush('jobs', `job ${i}`)
      pipeline.xadd('events', '*', 'n', String(i))
    }
    for (let i = 0; i < 600; i += 1) pipeline.sadd('big set', `a member that is too long for a small encoding ${i}`)
    pipeline.set('session:1', 'ends late', 'EX', 86_400)
    pipeline.set('binary', Buffer.from([0, 255, 10, 13, 0]))
    await pipeline.exec()
    await client.xgroup('CREATE', 'events', 'workers', '0')
    await client.xreadgroup('GROUP', 'workers', 'one', 'COUNT', 5, 'STREAMS', 'events', '>')
    await client.call('FUNCTION', 'LOAD', '#!lua name=lib\nredis.register_function("two", function() return 2 end)')
    await client.select(3)
    await client.set('elsewhere', 'in database 3')
  })
}

/** All keys of all databases, with their dumps; sets and hashes in order. */
export async function contentsOf(url: string): Promise<string> {
  return withRedis(url, async (client) => {
    const lines: string[] = []
    for (const db of (await client.info('keyspace')).matchAll(/^db(\d+):/gm)) {
      await client.select(Number(db[1]))
      for (const key of (await client.keys('*')).sort()) {
        const type = await client.type(key)
        const value =
          type === 'set'
            ? (await client.smembers(key)).sort()
            : type === 'hash'
              ? Object.entries(await client.hgetall(key)).sort()
              : (await client.dumpBuffer(key))?.toString('hex')
        lines.push(`${db[1]} ${key} ${type} ${await client.call('PEXPIRETIME', key)} ${JSON.stringify(value)}`)
      }
    }
    return lines.join('\n')
  })
}

/** What Holdfast leaves in a folder for scratch servers while it works. */
export const leftIn = async (dir: string): Promise<string[]> => (await readdir(dir)).filter((name) => name.startsWith('holdfast-'))
