import { WorkflowNotFoundError, type Client } from '@temporalio/client'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startTemporal, type TemporalServer } from '../../scripts/toolbox/temporal.ts'
import { parseConfig } from '../../src/config/load.ts'
import type { Config } from '../../src/config/schema.ts'
import { SEARCH_ATTRIBUTES } from '../../src/contract/search-attributes.ts'
import { WORKFLOWS } from '../../src/contract/inputs.ts'
import { until } from '../../src/process/wait.ts'
import { connectClient } from '../../src/temporal/connection.ts'
import { planSchedules, reconcileSchedules } from '../../src/temporal/schedules.ts'
import { registerSearchAttributes } from '../../src/temporal/search-attributes.ts'

const base = `
repositories: { hot: { type: folder, path: /srv/backups } }
encryption: { recipients: [age1x], check: false }
signing: { keyId: a, publicKeys: { a: QQ== } }
`
const site = (address: string): string =>
  `{ host: h, address: ${address}, dataDir: /d, supervisor: { start: [a], stop: [a], mask: [a], unmask: [a] } }`
const config = (orders: string, more = ''): Config =>
  parseConfig(
    `${base}
sources:
  orders:
    driver: postgres-physical
    connection: dbname=orders
    repository: hot
    host: db1
    stanza: orders
    pgbackrestConfig: /etc/pgbackrest.conf
    ${orders.trim().split('\n').join('\n    ')}
${more}`,
    'holdfast.yaml',
  )

const everything = config(
  `
schedules:
  full: { calendar: "Sun 02:00" }
  incremental: { calendar: "Mon-Sat 02:00", timezone: Europe/Berlin }
  walSwitch: { calendar: "every 15m" }
  retention: { calendar: "daily 05:00" }
  verify: { calendar: "monthly 1 04:00" }
verify: { read: weekly, restore: monthly }
`,
  `failoverGroups:
  pair:
    database: { user: a, replicationUser: r, slot: s }
    primary: east
    sites: { east: ${site('127.0.0.2')}, west: ${site('127.0.0.3')} }
    fence: [{ type: stop-instance }]
`,
)

let server: TemporalServer
let client: Client
beforeAll(async () => {
  server = await startTemporal()
  client = await connectClient(server)
})
afterAll(async () => {
  await client?.connection.close()
  await server?.stop()
})

const ids = async (): Promise<string[]> => {
  const found: string[] = []
  for await (const { scheduleId } of client.schedule.list()) found.push(scheduleId)
  return found.sort()
}
const listed = (wanted: string[]): Promise<true> =>
  until(async () => JSON.stringify(await ids()) === JSON.stringify(wanted), { timeoutMs: 60_000, what: `the listing of ${wanted}` })

describe('the schedules that a configuration wants', () => {
  it('start workflows that there are, with an input that each accepts', () => {
    const planned = planSchedules(everything)
    expect(planned.map(({ id, workflowType, input }) => [id, workflowType, input])).toEqual([
      ['holdfast/orders/full', 'backup', { source: 'orders', kind: 'full' }],
      ['holdfast/orders/incremental', 'backup', { source: 'orders', kind: 'incremental' }],
      ['holdfast/orders/retention', 'retention', { source: 'orders' }],
      ['holdfast/orders/verify', 'verifyRestore', { source: 'orders', depth: 'full' }],
      ['holdfast/orders/verify-read', 'verifyRestore', { source: 'orders', depth: 'read' }],
      ['holdfast/orders/verify-restore', 'verifyRestore', { source: 'orders', depth: 'restore' }],
      ['holdfast/orders/walSwitch', 'walSwitch', { source: 'orders' }],
      ['holdfast/pair/readiness', 'evaluateReadiness', { group: 'pair' }],
    ])
    for (const { workflowType, input } of planned) WORKFLOWS[workflowType].schema.parse(input)
  })

  it('have the keys of all sources looked at weekly, another day, or never', () => {
    const keys = (check: string) => {
      const text = `${base.replace(', check: false', check)}sources: { orders: { driver: files, root: /etc, repository: hot } }`
      return planSchedules(parseConfig(text, 'holdfast.yaml'))
    }
    const planned = { id: 'holdfast/keys', workflowType: 'checkKeys', workflowId: 'checkKeys/keys', input: {}, summary: 'keys, weekly UTC' }
    expect(keys('')).toMatchObject([{ ...planned, calendar: { comment: 'weekly' } }])
    expect(keys(', check: "daily 05:00"')).toMatchObject([{ ...planned, summary: 'keys, daily 05:00 UTC' }])
    expect(keys(', check: false')).toEqual([])
    expect(() => keys(', check: now and then')).toThrow(/encryption\.check/)
    expect(planSchedules(parseConfig(`${base.replace(', check: false', '')}sources: {}`, 'holdfast.yaml'))).toEqual([])
  })

  it('ask for every kind that there is by a word that the workflow accepts', () => {
    const all = ['full', 'incremental', 'differential', 'walSwitch', 'retention', 'verify']
    const planned = planSchedules(config(`schedules: { ${all.map((name) => `${name}: { calendar: hourly }`).join(', ')} }`))
    expect(planned).toHaveLength(all.length)
    for (const { workflowType, input } of planned) WORKFLOWS[workflowType].schema.parse(input)
  })
})

// The server answers a look at a schedule only once its own workflow has come to it: on a busy machine that is many seconds.
describe('reconciling', { timeout: 300_000 }, () => {
  afterEach(async () => {
    for (const id of await ids())
      await client.schedule
        .getHandle(id)
        .delete()
        .catch(() => {})
    await listed([])
  })

  it('shows the difference first, and changes nothing by that', async () => {
    const wanted = planSchedules(everything).map(({ id }) => id)
    expect(await reconcileSchedules(client, everything, { dryRun: true })).toEqual({
      create: wanted,
      update: [],
      delete: [],
      unchanged: [],
    })
    expect(await ids()).toEqual([])
  })

  it('creates what is wanted once, as it is written', async () => {
    const wanted = planSchedules(everything).map(({ id }) => id)
    expect(await reconcileSchedules(client, everything, { dryRun: false })).toMatchObject({ create: wanted, unchanged: [] })
    expect(await reconcileSchedules(client, everything, { dryRun: false })).toEqual({
      create: [],
      update: [],
      delete: [],
      unchanged: wanted,
    })

    const { spec, policies, action, state } = await client.schedule.getHandle('holdfast/orders/incremental').describe()
    expect(spec.timezone).toBe('Europe/Berlin')
    expect(spec.calendars?.[0]).toMatchObject({
      hour: [{ start: 2 }],
      minute: [{ start: 0 }],
      dayOfWeek: [{ start: 'MONDAY', end: 'SATURDAY' }],
      comment: 'Mon-Sat 02:00',
    })
    expect(policies).toMatchObject({ overlap: 'SKIP', catchupWindow: 86_400_000, pauseOnFailure: false })
    expect(action).toMatchObject({
      workflowType: 'backup',
      taskQueue: 'holdfast',
      args: [{ source: 'orders', kind: 'incremental' }],
      workflowId: 'backup/orders/incremental',
    })
    expect(state.note).toContain('holdfast apply')
    await listed(wanted)
  })

  it('runs at the times that the calendar means', async () => {
    await reconcileSchedules(client, everything, { dryRun: false })
    const times = async (name: string): Promise<Date[]> =>
      (await client.schedule.getHandle(`holdfast/${name}`).describe()).info.nextActionTimes
    const jitter = (date: Date): number => (date.getTime() / 1000) % 900
    for (const at of await times('orders/walSwitch')) expect(jitter(at)).toBeLessThanOrEqual(10)
    for (const at of await times('orders/full')) expect([at.getUTCDay(), at.getUTCHours()]).toEqual([0, 2])
    for (const at of await times('orders/verify')) expect([at.getUTCDate(), at.getUTCHours()]).toEqual([1, 4])
    for (const at of await times('pair/readiness')) expect(at.getUTCMinutes() % 30).toBeLessThanOrEqual(1)
  })

  it('updates what has changed and keeps a pause that an operator made', async () => {
    await reconcileSchedules(client, config('schedules: { full: { calendar: "Sun 02:00" }, retention: { calendar: hourly } }'), {
      dryRun: false,
    })
    await client.schedule.getHandle('holdfast/orders/full').pause('the disk is being replaced')
    const later = config('schedules: { full: { calendar: "Sat 23:30" }, retention: { calendar: hourly } }')
    expect(await reconcileSchedules(client, later, { dryRun: true })).toMatchObject({ update: ['holdfast/orders/full'] })
    expect(await reconcileSchedules(client, later, { dryRun: false })).toEqual({
      create: [],
      update: ['holdfast/orders/full'],
      delete: [],
      unchanged: ['holdfast/orders/retention'],
    })
    expect(await reconcileSchedules(client, later, { dryRun: false })).toMatchObject({
      update: [],
      unchanged: ['holdfast/orders/full', 'holdfast/orders/retention'],
    })
    const { spec, state } = await client.schedule.getHandle('holdfast/orders/full').describe()
    expect(spec.calendars?.[0]).toMatchObject({ hour: [{ start: 23 }], minute: [{ start: 30 }] })
    expect(state).toMatchObject({ paused: true, note: 'the disk is being replaced' })
  })

  it('deletes its own that are no longer wanted, and no other', async () => {
    await reconcileSchedules(client, config('schedules: { full: { calendar: "Sun 02:00" }, retention: { calendar: hourly } }'), {
      dryRun: false,
    })
    const action = { type: 'startWorkflow', workflowType: 'other', taskQueue: 'other', workflowId: 'other' } as const
    await client.schedule.create({ scheduleId: 'of-somebody-else', spec: {}, action: { ...action, taskQueue: 'holdfast' } })
    await client.schedule.create({ scheduleId: 'holdfast/of/another-installation', spec: {}, action })
    await listed(['holdfast/of/another-installation', 'holdfast/orders/full', 'holdfast/orders/retention', 'of-somebody-else'])
    const less = config('schedules: { full: { calendar: "Sun 02:00" } }')
    expect(await reconcileSchedules(client, less, { dryRun: true })).toMatchObject({ delete: ['holdfast/orders/retention'] })
    expect(await reconcileSchedules(client, less, { dryRun: false })).toEqual({
      create: [],
      update: [],
      delete: ['holdfast/orders/retention'],
      unchanged: ['holdfast/orders/full'],
    })
    await listed(['holdfast/of/another-installation', 'holdfast/orders/full', 'of-somebody-else'])
  })

  it('makes a schedule whose trigger starts the workflow with its input', async () => {
    await reconcileSchedules(client, config('schedules: { full: { calendar: "Sun 02:00" } }'), { dryRun: false })
    await client.schedule.getHandle('holdfast/orders/full').trigger()
    const workflowId = await until(
      async () => (await client.schedule.getHandle('holdfast/orders/full').describe()).info.recentActions[0]?.action.workflow.workflowId,
      { timeoutMs: 60_000, what: 'the run' },
    )
    expect(workflowId).toMatch(/^backup\/orders\/full-\d{4}-/)
    const run = client.workflow.getHandle(workflowId)
    const { type, taskQueue } = await until(
      () =>
        run.describe().catch((error: unknown) => {
          if (error instanceof WorkflowNotFoundError) return undefined
          throw error
        }),
      { timeoutMs: 60_000, what: 'the run' },
    )
    expect([type, taskQueue]).toEqual(['backup', 'holdfast'])
    await run.terminate()
  })
})

describe('search attributes', () => {
  it('are added once, and read back', async () => {
    expect((await registerSearchAttributes(client)).sort()).toEqual(
      Object.values(SEARCH_ATTRIBUTES)
        .map(({ name }) => name)
        .sort(),
    )
    expect(await registerSearchAttributes(client)).toEqual([])
    const { customAttributes } = await client.connection.operatorService.listSearchAttributes({ namespace: 'default' })
    for (const { name } of Object.values(SEARCH_ATTRIBUTES)) expect(customAttributes[name]).toBe(2)
  })

  it('are refused where one stands there with another type', async () => {
    const other = await startTemporal({ searchAttributes: { [SEARCH_ATTRIBUTES.source.name]: 'Int' } })
    const second = await connectClient(other)
    try {
      await expect(registerSearchAttributes(second)).rejects.toMatchObject({ code: 'NOT_READY', object: SEARCH_ATTRIBUTES.source.name })
    } finally {
      await second.connection.close()
      await other.stop()
    }
  })
})

describe('connecting', () => {
  it('says which address does not answer', async () => {
    await expect(connectClient({ address: '127.0.0.1:9', namespace: 'default' })).rejects.toMatchObject({
      code: 'TEMPORAL_UNREACHABLE',
      object: '127.0.0.1:9',
    })
  })

  it('refuses a TEMPORAL_CONFIG_FILE that is not there, which the library would pass over', async () => {
    process.env.TEMPORAL_CONFIG_FILE = '/nowhere/temporal.toml'
    try {
      await expect(connectClient(server)).rejects.toMatchObject({ code: 'CONFIG_INVALID', object: '/nowhere/temporal.toml' })
    } finally {
      delete process.env.TEMPORAL_CONFIG_FILE
    }
  })

  it('keeps the credentials of a profile to the address that it names', async () => {
    Object.assign(process.env, { TEMPORAL_ADDRESS: 'cloud.example:7233', TEMPORAL_API_KEY: 'a key for the cloud' })
    try {
      const { connectionSettings } = await import('../../src/temporal/connection.ts')
      expect(connectionSettings(server.address)).toEqual({ address: server.address })
      expect(connectionSettings('cloud.example:7233')).toMatchObject({ apiKey: 'a key for the cloud', tls: true })
      const own = await connectClient(server)
      await own.connection.close()
    } finally {
      delete process.env.TEMPORAL_ADDRESS
      delete process.env.TEMPORAL_API_KEY
    }
  })
})
