/** Checks by HTTP and SQL, on real servers. */
import { createServer as createHttpServer, type Server } from 'node:http'
import { type AddressInfo, createServer, type Server as TcpServer, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../../scripts/toolbox/ports.ts'
import { type Cluster, createCluster } from '../../scripts/toolbox/postgres.ts'
import type { CheckConfig } from '../../src/config/schema.ts'
import { type CheckOptions, runChecks } from '../../src/failover/checks/index.ts'
import { until } from '../../src/process/wait.ts'

const { signal } = new AbortController()
const check = async (one: CheckConfig, options: CheckOptions = {}) => {
  const [result] = await runChecks([one], options, signal)
  if (!result) throw new Error('no result')
  return result
}

/** Accepts connections and never says a word, like a host whose disk hangs. */
let mute: TcpServer
let mutePort: number
const sockets = new Set<Socket>()

beforeAll(async () => {
  mute = createServer((socket) => {
    sockets.add(socket.on('error', () => {}))
  })
  mutePort = await listening(mute)
})
afterAll(() => {
  for (const socket of sockets) socket.destroy()
  mute.close()
})

async function listening(server: TcpServer | Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

describe('by HTTP', () => {
  let server: Server
  let url: string
  let connections = 0
  let looks = 0

  beforeAll(async () => {
    server = createHttpServer((request, reply) => {
      if (request.url === '/moved') reply.writeHead(302, { location: '/well' }).end()
      else if (request.url === '/settles') reply.writeHead(++looks < 3 ? 503 : 200).end()
      else if (request.url === '/endless') reply.writeHead(200).write('a beginning')
      else reply.writeHead(request.url?.startsWith('/well') ? 200 : 503).end('body')
    }).on('connection', () => connections++)
    url = `http://127.0.0.1:${await listening(server)}`
  })
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })

  test('the wanted status is well, any other is not, and a redirect is not followed', async () => {
    expect(await check({ http: `${url}/well`, status: 200 })).toMatchObject({ name: `GET ${url}/well`, ok: true, detail: 'status 200' })
    expect(await check({ http: `${url}/ill`, status: 200 })).toMatchObject({ ok: false, detail: 'status 503, wanted 200' })
    expect(await check({ http: `${url}/ill`, status: 503 })).toMatchObject({ ok: true })
    expect(await check({ http: `${url}/moved`, status: 200 })).toMatchObject({ ok: false, detail: 'status 302, wanted 200' })
  })

  test('a body without end does not hold it up', async () => {
    expect(await check({ http: `${url}/endless`, status: 200 })).toMatchObject({ ok: true })
  })

  test('each look opens a connection of its own: an old one would lead to the old side', async () => {
    const before = connections
    await check({ http: `${url}/well`, status: 200 })
    await check({ http: `${url}/well`, status: 200 })
    expect(connections - before).toBe(2)
  })

  test('a host that says nothing ends with the time, one that refuses at once', async () => {
    expect(await check({ http: `http://127.0.0.1:${mutePort}/`, status: 200 }, { timeoutMs: 500 })).toMatchObject({
      ok: false,
      detail: 'no answer within 0.5 s',
    })
    const refused = await check({ http: `http://127.0.0.1:${await freePort()}/`, status: 200 })
    expect(refused).toMatchObject({ ok: false })
    expect(refused.detail).toContain('ECONNREFUSED')
  })

  test('with time to settle it is looked at again until it is well', async () => {
    looks = 0
    expect(await check({ http: `${url}/settles`, status: 200 })).toMatchObject({ ok: false })
    expect(await check({ http: `${url}/settles`, status: 200 }, { settleMs: 30_000 })).toMatchObject({
      ok: true,
      detail: 'status 200 (look 2)',
    })
  })

  test('the name shows no password and no query of the URL', async () => {
    const secret = url.replace('http://', 'http://user:hunter2@')
    expect((await check({ http: `${secret}/well?token=hunter2`, status: 200 })).name).toBe(`GET ${url}/well`)
  })

  test('a cancelled run throws, also while a host says nothing', async () => {
    const cancelled = new AbortController()
    const running = runChecks(
      [{ http: `http://127.0.0.1:${mutePort}/`, status: 200 }, { sql: 'select true' }],
      { connection: { host: '127.0.0.1', port: mutePort, user: 'x' }, timeoutMs: 60_000 },
      cancelled.signal,
    )
    setTimeout(() => cancelled.abort(), 100)
    await expect(running).rejects.toMatchObject({ code: 'CANCELLED' })
  })
})

describe('by SQL', () => {
  let cluster: Cluster
  let options: CheckOptions

  beforeAll(async () => {
    cluster = await createCluster()
    await cluster.query('create table orders (id int)')
    options = { connection: { host: cluster.address, port: cluster.port, user: cluster.user, database: 'postgres' } }
  })
  afterAll(async () => {
    await cluster?.destroy()
  })

  test('true is well; false, no boolean, several rows or columns, and an error are not', async () => {
    expect(await check({ sql: 'select not pg_is_in_recovery()' }, options)).toMatchObject({
      name: 'select not pg_is_in_recovery()',
      ok: true,
      detail: 'true',
    })
    expect(await check({ sql: 'select count(*) > 0 from orders' }, options)).toMatchObject({ ok: false, detail: 'false' })
    expect(await check({ sql: 'select 1' }, options)).toMatchObject({ ok: false, detail: '1 is no boolean' })
    expect(await check({ sql: 'select null::boolean' }, options)).toMatchObject({ ok: false })
    expect(await check({ sql: 'select true from generate_series(1, 2)' }, options)).toMatchObject({ ok: false })
    expect(await check({ sql: 'select true, true' }, options)).toMatchObject({ ok: false })
    const wrong = await check({ sql: 'select true from nowhere' }, options)
    expect(wrong).toMatchObject({ ok: false })
    expect(wrong.detail).toContain('nowhere')
  })

  test('a check cannot change anything', async () => {
    const writing = await check(
      { sql: 'with made as (insert into orders values (1) returning true as made) select made from made' },
      options,
    )
    expect(writing).toMatchObject({ ok: false })
    expect(writing.detail).toContain('read-only')
    expect(await cluster.query('select * from orders')).toEqual([])
  })

  test('a slow query ends with the time, and so does a server that says nothing', async () => {
    const slow = await check({ sql: 'select pg_sleep(60) is null' }, { ...options, timeoutMs: 700 })
    expect(slow.ok).toBe(false)
    const silent = await check({ sql: 'select true' }, { connection: { host: '127.0.0.1', port: mutePort, user: 'x' }, timeoutMs: 500 })
    expect(silent.ok).toBe(false)
    const left = () => cluster.query("select pid from pg_stat_activity where application_name = 'holdfast check'")
    await until(async () => (await left()).length === 0, { timeoutMs: 30_000, what: 'the slow query to be gone' })
  })

  test('a server that is down is not well', async () => {
    expect(await check({ sql: 'select true' }, { connection: { host: '127.0.0.1', port: await freePort(), user: 'x' } })).toMatchObject({
      ok: false,
    })
  })

  test('all run at once, results in the order of the config', async () => {
    const results = await runChecks(
      [{ sql: 'select pg_sleep(0.5) is not null' }, { sql: 'select true' }, { sql: 'select false' }],
      options,
      signal,
    )
    expect(results.map(({ name, ok }) => [name, ok])).toEqual([
      ['select pg_sleep(0.5) is not null', true],
      ['select true', true],
      ['select false', false],
    ])
  })
})
