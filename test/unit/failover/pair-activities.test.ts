/** What a plan may call known, and which host a command isolates: decided in the activities, from the configuration. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createPairActivities } from '../../../activities/pair.ts'
import type { Config } from '../../../src/config/schema.ts'
import { parseConfig } from '../../../src/config/load.ts'
import type { SiteFacts } from '../../../src/contract/failover.ts'
import { inActivity } from '../../support/activity.ts'

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-pair-'))
})
afterAll(() => rm(dir, { recursive: true, force: true }))

const site = (host: string, address: string) =>
  `{ host: ${host}, address: ${address}, port: 1, dataDir: /nowhere, supervisor: { start: [x], stop: [x], mask: [x], unmask: [x] } }`
const configOf = ({ fence = '', source = '', traffic = '' } = {}): Config =>
  parseConfig(
    `repositories: { hot: { type: folder, path: ${dir} } }
encryption: { recipients: [age1abc] }
signing: { keyId: a, publicKeys: { a: QQ== } }
sources:
  archived: { driver: postgres-physical, connection: x, repository: hot, host: db1, stanza: archived, pgbackrestConfig: /nowhere }
failoverGroups:
  shop:
    primary: east
    ${source}
    database: { user: u, replicationUser: r, slot: s }
    sites: { east: ${site('db1', '127.0.0.9')}, west: ${site('db2', '127.0.0.8')} }
    fence: [{ type: stop-instance }${fence}]
    traffic: [${traffic}]
`,
    'holdfast.yaml',
  )
const activities = (config: Config) => createPairActivities({ config } as Parameters<typeof createPairActivities>[0])

describe('a fence by command', () => {
  const commands = (name: string, release = '') =>
    `, { type: command, site: ${name}, isolate: [touch, ${dir}/${name}], readBack: [test, -e, ${dir}/${name}]${release} }`

  it('isolates the host of the site that is fenced, and never the other one', async () => {
    const { fenceByCommand } = activities(configOf({ fence: commands('east') + commands('west') }))
    expect(await inActivity(() => fenceByCommand({ group: 'shop', site: 'west' }))).toMatchObject({ proved: true, how: 'command' })
    expect(await readFile(join(dir, 'west'), 'utf8')).toBe('')
    await expect(readFile(join(dir, 'east'))).rejects.toThrow('ENOENT')
  })

  it('proves nothing where there is none for this site, though there is one for the other', async () => {
    const { fenceByCommand } = activities(configOf({ fence: commands('east') }))
    await expect(inActivity(() => fenceByCommand({ group: 'shop', site: 'west' }))).rejects.toMatchObject({
      code: 'FENCE_UNPROVEN',
      message: expect.stringContaining('no command that fences west'),
    })
  })

  it('is taken back by its release, and without one a person is told what to undo', async () => {
    const with_ = activities(configOf({ fence: commands('west', `, release: [rm, ${dir}/west]`) }))
    await inActivity(() => with_.fenceByCommand({ group: 'shop', site: 'west' }))
    await inActivity(() => with_.releaseFence({ group: 'shop', site: 'west' }))
    await expect(readFile(join(dir, 'west'))).rejects.toThrow('ENOENT')
    const without = activities(configOf({ fence: commands('west') }))
    await expect(inActivity(() => without.releaseFence({ group: 'shop', site: 'west' }))).rejects.toMatchObject({
      code: 'FENCE_UNPROVEN',
      next: 'undo by hand what touch did',
    })
  })

  it('must name a site that the group has', () => {
    expect(() => configOf({ fence: commands('north') })).toThrow(/fence\[1\]\.site: no site "north"; there is east, west/)
  })
})

describe('the lag of a primary that is down', () => {
  const facts = (more: Partial<SiteFacts> = {}): SiteFacts => ({
    reachable: true,
    running: false,
    role: 'down',
    pinned: false,
    epoch: 0,
    walReadable: true,
    streaming: false,
    timeline: 3,
    ...more,
  })
  const standby = facts({ running: true, role: 'standby' })
  const lagOf = async (config: Config, east: SiteFacts, west: SiteFacts) => {
    const { planSwitch } = activities(config)
    return (await inActivity(() => planSwitch({ group: 'shop', mode: 'unplanned', facts: { east, west } }))).lag
  }
  const archived = () => configOf({ source: 'source: archived' })

  it('is known where its log can be drained into an archive for a standby of its timeline; no figure is made up', async () => {
    const lag = await lagOf(archived(), facts(), standby)
    expect(lag).toMatchObject({ known: true, text: expect.stringContaining('drained first') })
    expect(lag).not.toHaveProperty('bytes')
  })

  it.each([
    ['there is no archive', configOf, facts(), standby],
    ['its log cannot be read', archived, facts({ walReadable: false }), standby],
    ['its host does not answer', archived, facts({ reachable: false }), standby],
    ['the standby is of another timeline', archived, facts(), { ...standby, timeline: 2 }],
    ['the standby does not answer', archived, facts(), facts()],
  ])('is unknown where %s', async (_, config, east, west) => {
    expect(await lagOf(config(), east, west)).toMatchObject({ known: false })
  })

  it('a name server that is away speaks against a failover, and is nothing to a rebuild of the standby', async () => {
    const { planSwitch } = activities(
      configOf({
        traffic: '{ type: rfc2136, server: 127.0.0.9:1, zone: example.com, record: db.example.com, key: { name: k, secret: QQ== } }',
      }),
    )
    const primary = facts({ running: true, role: 'primary' })
    const found = async (mode: 'planned' | 'rebuild') =>
      (await inActivity(() => planSwitch({ group: 'shop', mode, facts: { east: primary, west: standby } }))).findings
    const broken = (findings: { name: string; ok: boolean }[]) => findings.filter(({ ok }) => !ok).map(({ name }) => name)
    expect(broken(await found('planned'))).toContainEqual(expect.stringMatching(/traffic|db\.example/))
    expect(broken(await found('rebuild'))).toEqual(['standby streams'])
  })
})
