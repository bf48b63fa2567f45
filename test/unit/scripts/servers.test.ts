import { afterEach, describe, expect, it } from 'vitest'
import { findProgram, lookUp } from '../../../scripts/toolbox/find.ts'
import { type NatsServer, startNats } from '../../../scripts/toolbox/nats.ts'
import { type RedisServer, serveRedis, startRedis } from '../../../scripts/toolbox/redis.ts'
import type { Server } from '../../../scripts/toolbox/server.ts'
import { run } from '../../../src/process/run.ts'
import { natsRequest } from '../../support/nats-request.ts'
import { commandLines } from '../../support/processes.ts'
import { serverPromises } from '../../support/server-promises.ts'

const REDIS = ['redis-server', 'redis-cli']
const withRedis = it.skipIf(!REDIS.every(lookUp))

async function redis({ port }: RedisServer, args: string[], password?: string): Promise<string> {
  const env = password ? { REDISCLI_AUTH: password } : undefined
  const { stdout } = await run({ program: findProgram('redis-cli'), args: ['-p', String(port), ...args], env }, { accept: [0, 1] })
  return stdout.trim()
}

async function stream({ port }: NatsServer, verb: string, config?: object): Promise<{ state?: { messages: number }; error?: object }> {
  return JSON.parse(await natsRequest(port, `$JS.API.STREAM.${verb}.ORDERS`, config ? JSON.stringify(config) : ''))
}

serverPromises<RedisServer>({
  name: 'a Redis server',
  needs: REDIS,
  start: startRedis,
  write: async (server) => {
    expect(await redis(server, ['set', 'order', '42'])).toBe('OK')
  },
  read: async (server) => (await redis(server, ['get', 'order'])) || undefined,
})

serverPromises<NatsServer>({
  name: 'a NATS server',
  needs: ['nats-server'],
  start: startNats,
  write: async (server) => {
    await stream(server, 'CREATE', { name: 'ORDERS', subjects: ['orders.>'], storage: 'file' })
    expect(await natsRequest(server.port, 'orders.new', '42')).toContain('"seq":1')
  },
  read: async (server) => (await stream(server, 'INFO')).state?.messages,
})

withRedis('a server that is slow to fail is not taken for the one that answers on its port', async () => {
  const { port, stop } = await startRedis()
  try {
    const slow = { name: 'Slow', program: findProgram('sh'), before: ['-c', 'sleep 0.5; echo no; exit 1'], settings: [] }
    await expect(serveRedis(slow, { port })).rejects.toMatchObject({
      code: 'PROCESS_FAILED',
      message: expect.stringContaining('at once: no'),
    })
  } finally {
    await stop()
  }
})

describe('a password', () => {
  let server: Server | undefined
  afterEach(() => server?.stop())

  withRedis('is asked of the clients of Redis, and no list of processes shows it', async () => {
    const password = 'a "secret" word'
    // Left alone, it overwrites its arguments soon after its start.
    const started = await startRedis({ password, args: ['--set-proc-title', 'no'] })
    server = started
    expect(await redis(started, ['ping'])).toContain('NOAUTH')
    expect(await redis(started, ['ping'], password)).toBe('PONG')
    expect(decodeURIComponent(new URL(started.url).password)).toBe(password)
    expect((await commandLines()).filter((line) => line.includes('"secret"'))).toEqual([])
  })

  it('is asked of the clients of NATS as a token, and no list of processes shows it', async () => {
    const token = 'a "secret" token'
    const started = await startNats({ token })
    server = started
    await expect(natsRequest(started.port, '$JS.API.INFO', '')).rejects.toThrow('Authorization Violation')
    expect(await natsRequest(started.port, '$JS.API.INFO', '', token)).toContain('account_info_response')
    expect((await commandLines()).filter((line) => line.includes('"secret"'))).toEqual([])
  })
})

describe('settings', () => {
  withRedis('of Redis can be given as on its command line', async () => {
    const server = await startRedis({ appendonly: true, args: ['--enable-debug-command', 'local'] })
    try {
      expect(await redis(server, ['config', 'get', 'appendonly'])).toContain('yes')
      expect(await redis(server, ['debug', 'digest'])).toMatch(/^0{40}$/)
    } finally {
      await server.stop()
    }
  })

  it('of NATS can be given as its manual has them', async () => {
    const server = await startNats({ config: 'server_name: east' })
    try {
      expect(await (await fetch(`${server.monitorUrl}/varz`)).json()).toMatchObject({ server_name: 'east' })
    } finally {
      await server.stop()
    }
  })
})
