import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startRedis } from '../../scripts/toolbox/redis.ts'
import type { Target } from '../../src/drivers/driver.ts'
import { processesIn } from '../../src/process/in-folder.ts'
import { describeDriver, type DriverHarness } from '../conformance/driver.ts'
import { ask, contentsOf, fillRedis, leftIn, redisConfig, redisDriver, withRedis } from '../support/redis.ts'

/** A change that a scratch server, which takes no writes, is made to take. */
const changed =
  (command: string, ...words: string[]) =>
  async ({ connection }: Target): Promise<void> => {
    await withRedis(connection, async (client) => {
      await client.config('SET', 'replica-read-only', 'no')
      await client.call(command, ...words)
    })
  }

async function openHarness(): Promise<DriverHarness> {
  const server = await startRedis()
  await fillRedis(server.url)
  const scratchRoot = await mkdtemp(join(tmpdir(), 'holdfast-scratch-'))
  return {
    driver: await redisDriver(redisConfig(server.url, scratchRoot)),
    scratchRoot,
    state: () => contentsOf(server.url),
    leftovers: async () => [
      ...(await leftIn(scratchRoot)),
      ...String(await ask(server.url, 'CLIENT', 'LIST', 'TYPE', 'REPLICA'))
        .split('\n')
        .filter(Boolean),
    ],
    alive: async (dir) => (await processesIn(dir)).length > 0,
    assertions: {
      holds: { name: 'three hundred jobs', command: ['LLEN', 'jobs'], equals: '300' },
      red: [
        { name: 'false', command: ['LLEN', 'jobs'], equals: '1' },
        { name: 'broken', command: ['LLEN', 'scores'], equals: '1' },
        { name: 'writes', command: ['SET', 'x', '1'], equals: 'OK' },
      ],
    },
    leaks: async ({ connection }) => {
      const wanted: Record<string, string> = {
        port: '0',
        save: '',
        appendonly: 'no',
        unixsocketperm: '700',
        replicaof: '127.0.0.1 0',
        'replica-read-only': 'yes',
      }
      return withRedis(connection, async (client) => {
        const found = await Promise.all(
          Object.keys(wanted).map(async (name) => [name, ((await client.config('GET', name)) as string[])[1]] as const),
        )
        return found.filter(([name, value]) => wanted[name] !== value).map(([name, value]) => `${name}=${value}`)
      })
    },
    tamperings: [
      { name: 'one altered value', change: changed('SET', 'user:7', 'nobody'), undo: changed('SET', 'user:7', 'name 7'), red: /^content$/ },
      { name: 'one missing key', change: changed('DEL', 'user:7'), undo: changed('SET', 'user:7', 'name 7'), red: /^(content|db 0)$/ },
      { name: 'one added key', change: changed('SET', 'extra', '1'), undo: changed('DEL', 'extra'), red: /^(content|db 0)$/ },
      {
        name: 'a key that will end',
        change: changed('EXPIRE', 'user:7', '9999'),
        undo: changed('PERSIST', 'user:7'),
        red: /^(content|db 0)$/,
      },
      {
        name: 'a group with what waits in it',
        change: changed('XGROUP', 'DESTROY', 'events', 'workers'),
        undo: remakeGroup,
        red: /^db 0$/,
      },
      {
        name: 'another group',
        change: changed('XGROUP', 'CREATE', 'events', 'others', '$'),
        undo: changed('XGROUP', 'DESTROY', 'events', 'others'),
        red: /^db 0$/,
      },
      {
        name: 'another function',
        change: changed('FUNCTION', 'LOAD', '#!lua name=more\nredis.register_function("three", function() return 3 end)'),
        undo: changed('FUNCTION', 'DELETE', 'more'),
        red: /^functions$/,
      },
    ],
    async close() {
      await server.stop()
      await rm(scratchRoot, { recursive: true, force: true })
    },
  }
}

async function remakeGroup({ connection }: Target): Promise<void> {
  await withRedis(connection, async (client) => {
    await client.xgroup('CREATE', 'events', 'workers', '0')
    await client.xreadgroup('GROUP', 'workers', 'one', 'COUNT', 5, 'STREAMS', 'events', '>')
  })
}

describeDriver('redis', openHarness)
