/** Traffic by dynamic DNS updates, on a real bind9. */
import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DnsServer, startDns } from '../../scripts/toolbox/dns.ts'
import { freePort } from '../../scripts/toolbox/ports.ts'
import type { Rfc2136Config } from '../../src/config/schema.ts'
import { HoldfastError } from '../../src/core/errors.ts'
import { currentAddress } from '../../src/failover/route.ts'
import { createTraffic, type RecordState, type Traffic } from '../../src/failover/traffic/index.ts'
import { replace } from '../../src/failover/traffic/nsupdate.ts'
import { until } from '../../src/process/wait.ts'

const ZONE = 'example.test'
const EAST = { site: 'east', address: '127.0.0.2' }
const WEST = { site: 'west', address: '127.0.0.3' }
const { signal } = new AbortController()

let dns: DnsServer
let names = 0

beforeAll(async () => {
  dns = await startDns({ zone: ZONE, records: [] })
  process.env.TEST_TSIG_SECRET = dns.key.secret
})
afterAll(async () => {
  await dns?.stop()
})

const key = (changes: Partial<Rfc2136Config['key']> = {}) => ({
  name: dns.key.name,
  algorithm: dns.key.algorithm,
  secret: '${env:TEST_TSIG_SECRET}',
  ...changes,
})
const configFor = (record: string, changes: Partial<Rfc2136Config> = {}): Rfc2136Config => ({
  type: 'rfc2136',
  server: dns.server,
  zone: ZONE,
  record,
  ttl: 30,
  key: key(),
  ...changes,
})
const trafficFor = (record: string, changes: Partial<Rfc2136Config> = {}) => createTraffic(configFor(record, changes))
const updateServer = () => ({ server: dns.server, zone: ZONE, key: dns.key })
const state = (record: string, ...sets: RecordState['sets']): RecordState => ({ record, sets })
const a = (values: string[], ttl = 30) => ({ type: 'A', ttl, values })

/** A record of its own with these sets, put there behind Holdfast's back. */
async function record(...sets: RecordState['sets']): Promise<string> {
  const name = `db${++names}.${ZONE}`
  await set(name, ...sets)
  return name
}
async function set(name: string, ...sets: RecordState['sets']): Promise<void> {
  const now = await (await trafficFor(name)).current({ signal })
  expect(await replace(updateServer(), now, sets, signal)).toBe('applied')
}
async function failureOf(promise: Promise<unknown>): Promise<HoldfastError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(HoldfastError)
  return error as HoldfastError
}

describe('a move', () => {
  test('is confirmed by the authoritative server and seen by clients', async () => {
    const name = await record(a(['127.0.0.2'], 17))
    const traffic = await trafficFor(name)
    const report = await traffic.move(WEST, { signal })
    expect(report).toMatchObject({
      changed: true,
      previous: state(name, a(['127.0.0.2'], 17)),
      now: state(name, a(['127.0.0.3'])),
      confirmedBy: [dns.server],
      silent: [],
    })
    expect(await currentAddress(name, dns.server)).toBe('127.0.0.3')
    expect(Math.abs(Date.parse(report.oldAnswersUntil) - Date.now() - 17_000)).toBeLessThan(10_000)
    expect(await traffic.confirm(WEST, { signal })).toEqual({ confirmedBy: [dns.server], silent: [] })
  })

  test('that runs again changes nothing and still knows what was before', async () => {
    const name = await record(a(['127.0.0.2'], 45))
    const traffic = await trafficFor(name)
    const previous = await traffic.current({ signal })
    await traffic.move(WEST, { signal, previous })
    const again = await traffic.move(WEST, { signal, previous })
    expect(again).toMatchObject({ changed: false, previous })
  })

  test('replaces all addresses of the name: many, IPv6, an alias', async () => {
    const many = await record(a(['127.0.0.2', '127.0.0.9'], 60), { type: 'AAAA', ttl: 60, values: ['fd00::2'] })
    await (await trafficFor(many)).move(WEST, { signal })
    expect(await (await trafficFor(many)).current({ signal })).toEqual(state(many, a(['127.0.0.3'])))
    const alias = await record({ type: 'CNAME', ttl: 60, values: [`${many}.`] })
    await (await trafficFor(alias)).move(EAST, { signal })
    expect(await (await trafficFor(alias)).current({ signal })).toEqual(state(alias, a(['127.0.0.2'])))
  })

  test('to a site with a host name makes an alias, to one with an IPv6 address an AAAA', async () => {
    const name = await record(a(['127.0.0.2']))
    await (await trafficFor(name)).move({ site: 'west', address: 'DB2.example.net' }, { signal })
    expect(await (await trafficFor(name)).current({ signal })).toEqual(
      state(name, { type: 'CNAME', ttl: 30, values: ['db2.example.net.'] }),
    )
    await (await trafficFor(name)).move({ site: 'west', address: 'FD00:0::3' }, { signal })
    expect(await (await trafficFor(name)).current({ signal })).toEqual(state(name, { type: 'AAAA', ttl: 30, values: ['fd00::3'] }))
  })

  test('to an alias is refused beside records that an alias cannot stand with, and leaves the address', async () => {
    const name = await record(a(['127.0.0.2']), { type: 'TXT', ttl: 30, values: ['owner'] })
    const error = await failureOf((await trafficFor(name)).move({ site: 'west', address: 'db2.example.net' }, { signal }))
    expect(error).toMatchObject({ code: 'SOURCE_UNFIT', object: name })
    expect(error.message).toContain('TXT')
    expect(await currentAddress(name, dns.server)).toBe('127.0.0.2')
  })

  test('to an alias that the server drops silently puts the address back', async () => {
    // HINFO is what a server that hides its records answers, so it is not taken for one.
    const name = await record(a(['127.0.0.2'], 44), { type: 'HINFO', ttl: 30, values: ['PC Linux'] })
    const traffic = await trafficFor(name)
    expect(await failureOf(traffic.move({ site: 'west', address: 'db2.example.net' }, { signal }))).toMatchObject({
      code: 'SOURCE_UNFIT',
      object: name,
    })
    expect(await traffic.current({ signal })).toEqual(state(name, a(['127.0.0.2'], 44)))
  })
})

describe('undo', () => {
  const cases: [string, RecordState['sets']][] = [
    ['an address with its own TTL', [a(['127.0.0.2'], 299)]],
    ['several addresses of both kinds', [a(['127.0.0.2', '127.0.0.9'], 60), { type: 'AAAA', ttl: 61, values: ['fd00::2'] }]],
    ['an alias', [{ type: 'CNAME', ttl: 120, values: ['db1.example.net.'] }]],
    ['nothing', []],
  ]
  test.each(cases)('puts back %s', async (_, sets) => {
    const name = await record(...sets)
    const traffic = await trafficFor(name)
    const { previous, now } = await traffic.move(WEST, { signal })
    const kept = JSON.parse(JSON.stringify({ previous, now })) as { previous: RecordState; now: RecordState }
    expect(await traffic.undo(kept.previous, { signal, expected: kept.now })).toMatchObject({ changed: true, now: state(name, ...sets) })
    expect(await traffic.current({ signal })).toEqual(state(name, ...sets))
    expect(await traffic.undo(kept.previous, { signal, expected: kept.now })).toMatchObject({ changed: false })
  })

  test('of a record that somebody else has changed since is refused', async () => {
    const name = await record(a(['127.0.0.2']))
    const traffic = await trafficFor(name)
    const { previous, now } = await traffic.move(WEST, { signal })
    await set(name, a(['127.0.0.44']))
    expect(await failureOf(traffic.undo(previous, { signal, expected: now }))).toMatchObject({
      code: 'TRAFFIC_CONFLICT',
      object: name,
      retryable: false,
    })
    expect(await currentAddress(name, dns.server)).toBe('127.0.0.44')
  })
})

describe('compare and set', () => {
  test('a change by somebody else since the state was read is kept, and named', async () => {
    const name = await record(a(['127.0.0.2']))
    const traffic = await trafficFor(name)
    const previous = await traffic.current({ signal })
    await set(name, a(['127.0.0.44']))
    const error = await failureOf(traffic.move(WEST, { signal, previous }))
    expect(error).toMatchObject({ code: 'TRAFFIC_CONFLICT', object: name, retryable: false })
    expect(error.message).toContain('127.0.0.44')
    expect(await currentAddress(name, dns.server)).toBe('127.0.0.44')
  })

  const stale: [string, RecordState['sets'], RecordState['sets']][] = [
    ['another address', [a(['127.0.0.2'])], [a(['127.0.0.44'])]],
    ['one address more', [a(['127.0.0.2'])], [a(['127.0.0.2', '127.0.0.44'])]],
    ['an IPv6 address beside', [a(['127.0.0.2'])], [a(['127.0.0.2']), { type: 'AAAA', ttl: 30, values: ['fd00::44'] }]],
    ['an alias', [a(['127.0.0.2'])], [{ type: 'CNAME', ttl: 30, values: ['db44.example.net.'] }]],
    ['nothing any more', [a(['127.0.0.2'])], []],
    ['something where nothing was', [], [a(['127.0.0.44'])]],
  ]
  test.each(stale)('the server itself refuses the update of a straggler that does not know of %s', async (_, knew, meanwhile) => {
    const name = await record(...meanwhile)
    expect(await replace(updateServer(), state(name, ...knew), [a(['127.0.0.3'])], signal)).toBe('lost')
    expect(await (await trafficFor(name)).current({ signal })).toEqual(state(name, ...meanwhile))
  })
})

describe('several authoritative servers', () => {
  test('a secondary that follows confirms too', async () => {
    const address = '127.0.0.1'
    const port = await freePort(address)
    const primary = await startDns({
      zone: ZONE,
      records: [{ name: 'db', type: 'A', ttl: 30, value: '127.0.0.2' }],
      notify: [`${address}:${port}`],
      key: dns.key,
    })
    const secondary = await startDns({ zone: ZONE, records: [], address, port, primary: primary.server, key: dns.key })
    try {
      const traffic = await trafficFor(`db.${ZONE}`, { server: primary.server, servers: [secondary.server] })
      const report = await traffic.move(WEST, { signal, timeoutMs: 60_000 })
      expect(report.confirmedBy).toEqual([primary.server, secondary.server])
      expect(await currentAddress(`db.${ZONE}`, secondary.server)).toBe('127.0.0.3')
    } finally {
      await secondary.stop()
      await primary.stop()
    }
  })

  test('one that goes on giving the old answer is named, and the move may be tried again', async () => {
    const name = await record(a(['127.0.0.2']))
    const behind = await startDns({ zone: ZONE, records: [{ name: `${name}.`, type: 'A', ttl: 30, value: '127.0.0.2' }] })
    try {
      const traffic = await trafficFor(name, { servers: [behind.server] })
      const error = await failureOf(traffic.move(WEST, { signal, timeoutMs: 3_000 }))
      expect(error).toMatchObject({ code: 'TRAFFIC_UNCONFIRMED', retryable: true, object: name, details: { confirmedBy: [dns.server] } })
      expect(error.message).toContain(`${behind.server} gives A 127.0.0.2`)
    } finally {
      await behind.stop()
    }
  })

  test('one that answers nobody is listed and not waited for', async () => {
    const name = await record(a(['127.0.0.2']))
    const gone = `127.0.0.1:${await freePort()}`
    const report = await (await trafficFor(name, { servers: [gone] })).move(WEST, { signal })
    expect(report).toMatchObject({ changed: true, confirmedBy: [dns.server], silent: [gone] })
  })
})

describe('what goes wrong is named', () => {
  async function refusal(changes: Partial<Rfc2136Config>): Promise<{ error: HoldfastError; traffic: Traffic }> {
    const name = await record(a(['127.0.0.2']))
    const traffic = await trafficFor(name, changes)
    const error = await failureOf(traffic.move(WEST, { signal }))
    expect(await currentAddress(name, dns.server)).toBe('127.0.0.2')
    return { error, traffic }
  }

  test('a key with another secret, and a key that the server does not know', async () => {
    process.env.TEST_OTHER_SECRET = Buffer.alloc(32, 7).toString('base64')
    const wrong = await refusal({ key: key({ secret: '${env:TEST_OTHER_SECRET}' }) })
    expect(wrong.error).toMatchObject({ code: 'TRAFFIC_DENIED', retryable: false })
    expect(`${wrong.error.message} ${wrong.error.next}`).toContain(dns.key.name)
    const unknown = await refusal({ key: key({ name: 'stranger' }) })
    expect(unknown.error).toMatchObject({ code: 'TRAFFIC_DENIED' })
    const findings = await wrong.traffic.precheck({ signal })
    expect(findings.map(({ ok }) => ok)).toEqual([true, false])
  })

  test('a secret that is not base64, without repeating it', async () => {
    process.env.TEST_BAD_SECRET = 'hunter2!hunter2!'
    const { error } = await refusal({ key: key({ secret: '${env:TEST_BAD_SECRET}' }) })
    expect(error.code).toBe('CONFIG_INVALID')
    expect(JSON.stringify({ ...error, message: error.message })).not.toContain('hunter2')
  })

  test('a zone that the server does not hold', async () => {
    const traffic = await trafficFor('db.elsewhere.test', { zone: 'elsewhere.test' })
    expect(await failureOf(traffic.move(WEST, { signal }))).toMatchObject({ code: 'TRAFFIC_UNCONFIRMED', object: dns.server })
    expect(
      await failureOf(replace({ ...updateServer(), zone: 'elsewhere.test' }, state('db.elsewhere.test'), [a(['127.0.0.3'])], signal)),
    ).toMatchObject({ code: 'CONFIG_INVALID' })
    expect(await failureOf(replace(updateServer(), state('db.elsewhere.test'), [a(['127.0.0.3'])], signal))).toMatchObject({
      code: 'CONFIG_INVALID',
    })
  })

  test('a server that is down: an error that may be tried again', async () => {
    const down = `127.0.0.1:${await freePort()}`
    const traffic = await trafficFor(`db.${ZONE}`, { server: down })
    expect(await failureOf(traffic.move(WEST, { signal }))).toMatchObject({ code: 'TRAFFIC_UNCONFIRMED', retryable: true, object: down })
    expect(await failureOf(replace({ ...updateServer(), server: down }, state(`db.${ZONE}`), [], signal))).toMatchObject({
      code: 'TRAFFIC_UNCONFIRMED',
      retryable: true,
    })
    expect((await traffic.precheck({ signal })).map(({ ok }) => ok)).toEqual([false, false])
  })
})

test('a precheck passes where a move would, and changes nothing', async () => {
  const name = await record(a(['127.0.0.2']))
  const traffic = await trafficFor(name)
  const findings = await traffic.precheck({ signal })
  expect(
    findings.every(({ ok }) => ok),
    JSON.stringify(findings),
  ).toBe(true)
  expect(await traffic.current({ signal })).toEqual(state(name, a(['127.0.0.2'])))
})

test('the secret is in no process list while an update runs, and a cancelled update leaves no process', async () => {
  const name = await record(a(['127.0.0.2']))
  const held = new AbortController()
  // A server that hangs keeps nsupdate running long enough to look.
  process.kill(dns.pid, 'SIGSTOP')
  try {
    const update = failureOf(replace(updateServer(), state(name, a(['127.0.0.2'])), [a(['127.0.0.3'])], held.signal))
    const running = () => commandLines().filter(({ line, parent }) => parent === process.pid && /(^|\/)nsupdate\0-v\0/.test(line))
    const [nsupdate] = await until(() => (running().length > 0 ? running() : false), {
      timeoutMs: 30_000,
      what: 'nsupdate to run',
      everyMs: 10,
    })
    expect(commandLines().filter(({ line }) => line.includes(dns.key.secret))).toEqual([])
    expect(readFileSync(`/proc/${nsupdate?.pid}/environ`, 'latin1').replaceAll(/TEST_TSIG_SECRET=[^\0]*/g, '')).not.toContain(
      dns.key.secret,
    )
    held.abort()
    expect((await update).code).toBe('CANCELLED')
    expect(running().filter(({ pid }) => pid === nsupdate?.pid)).toEqual([])
  } finally {
    process.kill(dns.pid, 'SIGCONT')
  }
})

function commandLines(): { pid: string; parent: number; line: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const parent = Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1])
        return [{ pid, parent, line: readFileSync(`/proc/${pid}/cmdline`, 'latin1') }]
      } catch {
        return []
      }
    })
}
