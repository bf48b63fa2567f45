/** Traffic by Route 53, on moto; its PENDING state on a marked stub before moto. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  ChangeResourceRecordSetsCommand,
  CreateHostedZoneCommand,
  ListResourceRecordSetsCommand,
  type ResourceRecordSet,
  Route53Client,
} from '@aws-sdk/client-route-53'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type MotoServer, startMoto } from '../../scripts/toolbox/moto.ts'
import { freePort } from '../../scripts/toolbox/ports.ts'
import type { Route53Config } from '../../src/config/schema.ts'
import { HoldfastError } from '../../src/core/errors.ts'
import { createTraffic, type RecordState } from '../../src/failover/traffic/index.ts'
import { startDaemon } from '../../src/process/daemon.ts'
import { until } from '../../src/process/wait.ts'

const EAST = { site: 'east', address: '10.0.0.2' }
const WEST = { site: 'west', address: '10.0.0.3' }
const ZONE = 'example.test'
const { signal } = new AbortController()

let moto: MotoServer
let client: Route53Client
let zone: string
let names = 0

beforeAll(async () => {
  moto = await startMoto()
  Object.assign(process.env, { TEST_R53_ID: 'test', TEST_R53_SECRET: 'test' })
  client = new Route53Client({
    region: 'us-east-1',
    endpoint: moto.endpoint,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  })
  const created = await client.send(new CreateHostedZoneCommand({ Name: ZONE, CallerReference: 'test' }))
  zone = (created.HostedZone?.Id ?? '').replace('/hostedzone/', '')
})
afterAll(async () => {
  client?.destroy()
  await moto?.stop()
})

const configFor = (record: string, changes: Partial<Route53Config> = {}): Route53Config => ({
  type: 'route53',
  zone,
  record,
  ttl: 30,
  recordType: 'A',
  endpoint: moto.endpoint,
  region: 'us-east-1',
  accessKeyId: '${env:TEST_R53_ID}',
  secretAccessKey: '${env:TEST_R53_SECRET}',
  ...changes,
})
const trafficFor = (record: string, changes: Partial<Route53Config> = {}) => createTraffic(configFor(record, changes))
const plain = (Type: 'A' | 'AAAA' | 'CNAME', values: string[], TTL = 60) => ({
  Type,
  TTL,
  ResourceRecords: values.map((Value) => ({ Value })),
})
const alias = (DNSName: string, Type: 'A' | 'AAAA' = 'A', HostedZoneId = 'Z35SXDOTRQ7X7K') => ({
  Type,
  AliasTarget: { HostedZoneId, DNSName, EvaluateTargetHealth: true },
})

type Given = Omit<ResourceRecordSet, 'Name'>

/** A record of its own with these sets, made behind Holdfast's back. */
async function record(...sets: Given[]): Promise<string> {
  const name = `db${++names}.${ZONE}`
  if (sets.length > 0) await put(name, ...sets)
  return name
}
async function put(name: string, ...sets: Given[]): Promise<void> {
  const Changes = sets.map((set) => ({ Action: 'UPSERT' as const, ResourceRecordSet: { Name: name, ...set } as ResourceRecordSet }))
  await client.send(new ChangeResourceRecordSetsCommand({ HostedZoneId: zone, ChangeBatch: { Changes } }))
}
/** What the service has at the name, as it says it. */
async function served(name: string): Promise<Given[]> {
  const { ResourceRecordSets = [] } = await client.send(new ListResourceRecordSetsCommand({ HostedZoneId: zone }))
  return ResourceRecordSets.filter(({ Name }) => Name === `${name}.`).map(({ Name: _name, ...set }) => set)
}
async function failureOf(promise: Promise<unknown>): Promise<HoldfastError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(HoldfastError)
  return error as HoldfastError
}

interface Case {
  name: string
  before: Given[]
  config?: Partial<Route53Config>
  to?: typeof WEST
  after: Given[]
}

const VALUES = { values: { east: 'lb-east.example.net', west: 'lb-west.example.net' } }
const cases: Case[] = [
  { name: 'an address', before: [plain('A', ['10.0.0.2'], 299)], after: [plain('A', ['10.0.0.3'], 30)] },
  {
    name: 'several addresses of both kinds',
    before: [plain('A', ['10.0.0.2', '10.0.0.9']), plain('AAAA', ['fd00::2'])],
    after: [plain('A', ['10.0.0.3'], 30)],
  },
  {
    name: 'an alias of names (CNAME)',
    before: [plain('CNAME', ['lb-east.example.net'])],
    config: { recordType: 'CNAME', ...VALUES },
    after: [plain('CNAME', ['lb-west.example.net.'], 30)],
  },
  {
    name: 'an address that becomes a CNAME',
    before: [plain('A', ['10.0.0.2'])],
    config: { recordType: 'CNAME', ...VALUES },
    after: [plain('CNAME', ['lb-west.example.net.'], 30)],
  },
  { name: 'a CNAME that becomes an address', before: [plain('CNAME', ['lb-east.example.net'])], after: [plain('A', ['10.0.0.3'], 30)] },
  {
    name: 'an alias, which has no TTL',
    before: [alias('lb-east.example.net.')],
    config: { recordType: 'ALIAS', aliasZone: 'Z35SXDOTRQ7X7K', ...VALUES },
    after: [alias('lb-west.example.net.')],
  },
  {
    name: 'an alias for IPv6 beside',
    before: [alias('lb-east.example.net.'), alias('lb-east.example.net.', 'AAAA')],
    config: { recordType: 'ALIAS', aliasZone: 'Z35SXDOTRQ7X7K', ...VALUES },
    after: [alias('lb-west.example.net.'), alias('lb-west.example.net.', 'AAAA')],
  },
  {
    name: 'an alias of load balancers in two regions, whose hosted zones differ',
    before: [alias('lb-east.example.net.')],
    config: { recordType: 'ALIAS', aliasZone: { east: 'Z35SXDOTRQ7X7K', west: 'Z1H1FL5HABSF5' }, ...VALUES },
    after: [alias('lb-west.example.net.', 'A', 'Z1H1FL5HABSF5')],
  },
  { name: 'an alias that becomes an address', before: [alias('lb-east.example.net.')], after: [plain('A', ['10.0.0.3'], 30)] },
  { name: 'nothing', before: [], after: [plain('A', ['10.0.0.3'], 30)] },
]

describe.each(cases)('$name', ({ before, config = {}, after }) => {
  test('is moved, read back, and exactly restored by undo', async () => {
    const name = await record(...before)
    const asItWas = await served(name)
    const traffic = await trafficFor(name, config)
    const report = await traffic.move(WEST, { signal })
    expect(report).toMatchObject({ changed: true, confirmedBy: ['route53 INSYNC', 'route53 record set'] })
    expect(await served(name)).toEqual(after)
    expect(await traffic.confirm(WEST, { signal })).toMatchObject({ confirmedBy: ['route53 record set'] })
    const kept = JSON.parse(JSON.stringify(report)) as typeof report
    expect(await traffic.undo(kept.previous, { signal, expected: kept.now })).toMatchObject({ changed: true })
    expect(await served(name)).toEqual(asItWas)
    expect(await traffic.undo(kept.previous, { signal, expected: kept.now })).toMatchObject({ changed: false })
  })
})

describe('several sets at one name', () => {
  const weighted = (SetIdentifier: string, Weight: number, value: string): Given => ({ ...plain('A', [value]), SetIdentifier, Weight })

  test('only the one with the configured identifier is moved, and keeps its weight and health check', async () => {
    const own = { ...weighted('main', 90, '10.0.0.2'), HealthCheckId: 'abc' }
    const other = weighted('canary', 10, '10.0.0.7')
    const name = await record(own, other)
    const asItWas = await served(name)
    const traffic = await trafficFor(name, { setIdentifier: 'main' })
    const { previous, now } = await traffic.move(WEST, { signal })
    expect(previous.sets).toHaveLength(1)
    const moved = { ...own, TTL: 30, ResourceRecords: [{ Value: '10.0.0.3' }] }
    expect(await served(name)).toEqual(expect.arrayContaining([moved, other]))
    await traffic.undo(previous, { signal, expected: now })
    expect(await served(name)).toEqual(asItWas)
  })

  test('a failover role is kept; a weight of the config is set', async () => {
    const name = await record({ ...plain('A', ['10.0.0.2']), SetIdentifier: 'first', Failover: 'PRIMARY' })
    await (await trafficFor(name, { setIdentifier: 'first' })).move(WEST, { signal })
    expect(await served(name)).toMatchObject([{ SetIdentifier: 'first', Failover: 'PRIMARY', ResourceRecords: [{ Value: '10.0.0.3' }] }])
    const fresh = await record()
    await (await trafficFor(fresh, { setIdentifier: 'new', weight: 5 })).move(WEST, { signal })
    expect(await served(fresh)).toMatchObject([{ SetIdentifier: 'new', Weight: 5 }])
  })

  test('without an identifier in the config nothing is guessed', async () => {
    const name = await record(weighted('main', 90, '10.0.0.2'), weighted('canary', 10, '10.0.0.7'))
    const error = await failureOf((await trafficFor(name)).move(WEST, { signal }))
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', object: name })
    expect(error.message).toContain('main, canary')
    const simple = await record(plain('A', ['10.0.0.2']))
    expect(await failureOf((await trafficFor(simple, { setIdentifier: 'main' })).move(WEST, { signal }))).toMatchObject({
      code: 'CONFIG_INVALID',
    })
    expect(await failureOf((await trafficFor(await record(), { setIdentifier: 'main' })).move(WEST, { signal }))).toMatchObject({
      code: 'CONFIG_INVALID',
    })
  })
})

describe('running twice and meeting others', () => {
  test('a move that runs again changes nothing, still knows what was before, and still waits for INSYNC', async () => {
    const name = await record(plain('A', ['10.0.0.2'], 77))
    const traffic = await trafficFor(name)
    const previous = JSON.parse(JSON.stringify(await traffic.current({ signal }))) as RecordState
    await traffic.move(WEST, { signal, previous })
    expect(await traffic.move(WEST, { signal, previous })).toMatchObject({
      changed: false,
      previous,
      confirmedBy: ['route53 INSYNC', 'route53 record set'],
    })
  })

  test('a change by somebody else is kept: by a move, by an undo, by a confirmation', async () => {
    const name = await record(plain('A', ['10.0.0.2']))
    const traffic = await trafficFor(name)
    const previous = await traffic.current({ signal })
    const { now } = await traffic.move(WEST, { signal, previous })
    await put(name, plain('A', ['10.0.0.44']))
    expect(await failureOf(traffic.move(WEST, { signal, previous }))).toMatchObject({ code: 'TRAFFIC_CONFLICT', object: name })
    expect(await failureOf(traffic.undo(previous, { signal, expected: now }))).toMatchObject({ code: 'TRAFFIC_CONFLICT' })
    expect(await failureOf(traffic.confirm(EAST, { signal }))).toMatchObject({ code: 'TRAFFIC_CONFLICT' })
    expect(await served(name)).toMatchObject([{ ResourceRecords: [{ Value: '10.0.0.44' }] }])
  })
})

async function behindStub(pendingTimes: number | 'denied', use: (endpoint: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-stub-'))
  const port = await freePort()
  const endpoint = `http://127.0.0.1:${port}`
  const script = fileURLToPath(new URL('../support/route53-pending.ts', import.meta.url))
  const stub = await startDaemon(
    { program: process.execPath, args: [script, String(port), moto.endpoint, String(pendingTimes), '300'] },
    { logFile: join(dir, 'stub.log') },
  )
  try {
    await until(
      () =>
        fetch(`${endpoint}/asked`).then(
          ({ ok }) => ok,
          () => false,
        ),
      { timeoutMs: 60_000, what: 'the stub' },
    )
    await use(endpoint)
  } finally {
    await stub.stop()
    await rm(dir, { recursive: true, force: true })
  }
}

describe('PENDING', () => {
  test('is waited out until INSYNC', async () => {
    const name = await record(plain('A', ['10.0.0.2']))
    await behindStub(2, async (endpoint) => {
      const report = await (await trafficFor(name, { endpoint })).move(WEST, { signal })
      expect(report.confirmedBy).toEqual(['route53 INSYNC', 'route53 record set'])
      expect(Object.values((await (await fetch(`${endpoint}/asked`)).json()) as object)).toEqual([3])
    })
  })

  test('without end is an error that may be tried again, and names the change', async () => {
    const name = await record(plain('A', ['10.0.0.2']))
    await behindStub(1e9, async (endpoint) => {
      const traffic = await trafficFor(name, { endpoint })
      const error = await failureOf(traffic.move(WEST, { signal, timeoutMs: 2_500 }))
      expect(error).toMatchObject({ code: 'TRAFFIC_UNCONFIRMED', retryable: true, object: name })
      expect(error.next).toContain('get-change')
    })
  })

  test('ends when the run is cancelled', async () => {
    const name = await record(plain('A', ['10.0.0.2']))
    await behindStub(1e9, async (endpoint) => {
      const cancelled = new AbortController()
      const failure = failureOf((await trafficFor(name, { endpoint })).move(WEST, { signal: cancelled.signal }))
      await until(async () => Object.keys((await (await fetch(`${endpoint}/asked`)).json()) as object).length > 0, {
        timeoutMs: 30_000,
        what: 'the first question',
      })
      cancelled.abort()
      expect(await failure).toMatchObject({ code: 'CANCELLED' })
    })
  })
})

describe('what goes wrong is named', () => {
  test('a zone that is not there, an API that is not there, values that cannot be', async () => {
    const name = await record(plain('A', ['10.0.0.2']))
    expect(await failureOf((await trafficFor(name, { zone: 'Z000000NONE' })).move(WEST, { signal }))).toMatchObject({
      code: 'CONFIG_INVALID',
      object: name,
    })
    const down = `http://127.0.0.1:${await freePort()}`
    expect(await failureOf((await trafficFor(name, { endpoint: down })).move(WEST, { signal }))).toMatchObject({
      code: 'TRAFFIC_UNCONFIRMED',
      retryable: true,
    })
    expect(await failureOf((await trafficFor(name, { recordType: 'CNAME' })).move(WEST, { signal }))).toMatchObject({
      code: 'CONFIG_INVALID',
    })
    expect(await failureOf((await trafficFor(name, { values: { west: 'host.example.net' } })).move(WEST, { signal }))).toMatchObject({
      code: 'CONFIG_INVALID',
    })
    expect(await failureOf((await trafficFor(name, { recordType: 'ALIAS', ...VALUES })).move(WEST, { signal }))).toMatchObject({
      code: 'CONFIG_INVALID',
    })
    const oneZone = await trafficFor(name, { recordType: 'ALIAS', aliasZone: { east: 'Z35SXDOTRQ7X7K' }, ...VALUES })
    expect((await failureOf(oneZone.move(WEST, { signal }))).message).toContain('site west')
    const [finding] = await (await trafficFor(name, { zone: 'Z000000NONE' })).precheck({ signal })
    expect(finding).toMatchObject({ ok: false })
    expect(await served(name)).toMatchObject([{ ResourceRecords: [{ Value: '10.0.0.2' }] }])
  })

  test('credentials that may not do it: the permissions to grant', async () => {
    const name = await record(plain('A', ['10.0.0.2']))
    await behindStub('denied', async (endpoint) => {
      const error = await failureOf((await trafficFor(name, { endpoint })).move(WEST, { signal }))
      expect(error).toMatchObject({ code: 'TRAFFIC_DENIED', retryable: false, object: name })
      expect(error.next).toContain('route53:ListResourceRecordSets')
    })
  })
})
