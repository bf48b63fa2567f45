import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadConfig, parseConfig } from '../../../src/config/load.ts'
import type { HoldfastError } from '../../../src/core/errors.ts'

const good = `repositories:
  hot: { type: s3, bucket: backups }
  dr: { type: folder, path: /srv/dr }
encryption: { recipients: [age1abc] }
signing: { keyId: a, publicKeys: { a: QQ== } }
sources:
  orders:
    driver: postgres-logical
    connection: \${env:ORDERS_DSN}
    repository: hot
    tables: [a]
    schedules:
      logical: { calendar: "Mon-Sat 02:00", timezone: Europe/Berlin }
    verify: { read: weekly, assertions: [{ sql: select true }] }
`

interface Found {
  line: number
  path: string
  message: string
}

function problemsOf(text: string): Found[] {
  try {
    parseConfig(text, 'holdfast.yaml')
  } catch (error) {
    const { code, details } = error as HoldfastError
    expect(code).toBe('CONFIG_INVALID')
    return details.problems as Found[]
  }
  return []
}
const about = (text: string, path: string): Found | undefined => problemsOf(text).find((problem) => problem.path === path)
/** The good configuration with one line written otherwise. */
const but = (line: string, otherwise: string): string => {
  expect(good).toContain(line)
  return good.replace(line, otherwise)
}

describe('a configuration', () => {
  it('is read with its defaults', () => {
    const config = parseConfig(good, 'holdfast.yaml')
    expect(config.temporal).toEqual({ address: '127.0.0.1:7233', namespace: 'default' })
    expect(config.sources.orders).toMatchObject({ driver: 'postgres-logical', jobs: 2, connection: '$' + '{env:ORDERS_DSN}' })
  })

  it('tells all problems at once, each with its line, key and what would be right', () => {
    const problems = problemsOf(`repositories:
  hot: { type: s4 }
  x:
    type: s3
    bukket: a
sources:
  orders:
    driver: postgres-logical
    repository: hott
    tables: [hot, 1]
    osuser: z
    schedules:
      fill: { calendar: hourly }
      logical: { calendar: "Sun 25:00", timezone: Europe/Berln }
    verify:
      read: weekli
      assertions: [{ sq: x }]
    freshness: 5
    jobs: 99
encryption: { recipients: [x] }
signing: { keyId: a, publicKeys: {} }
failoverGroups:
  g:
    checks: [{ http: no }]
extra: 1
`)
    expect(problems.map(({ line, path }) => [line, path])).toEqual([
      [2, 'repositories.hot.type'],
      [3, 'repositories.x.bucket'],
      [5, 'repositories.x.bukket'],
      [7, 'sources.orders.connection'],
      [9, 'sources.orders.repository'],
      [10, 'sources.orders.tables[1]'],
      [11, 'sources.orders.osuser'],
      [13, 'sources.orders.schedules.fill'],
      [14, 'sources.orders.schedules.logical.calendar'],
      [14, 'sources.orders.schedules.logical.timezone'],
      [16, 'sources.orders.verify.read'],
      [17, 'sources.orders.verify.assertions[0].sql'],
      [17, 'sources.orders.verify.assertions[0].sq'],
      [18, 'sources.orders.freshness'],
      [19, 'sources.orders.jobs'],
      [20, 'encryption.recipients[0]'],
      [21, 'signing.publicKeys'],
      [23, 'failoverGroups.g.database'],
      [23, 'failoverGroups.g.primary'],
      [23, 'failoverGroups.g.sites'],
      [23, 'failoverGroups.g.fence'],
      [24, 'failoverGroups.g.checks[0].http'],
      [25, 'extra'],
    ])
  })

  it.each([
    ['type: s3, bucket', 'type: s3, bukket', 'repositories.hot.bukket', 'did you mean "bucket"?'],
    ['type: s3, bucket', 'type: s4, bucket', 'repositories.hot.type', 'must be one of s3, folder'],
    ['driver: postgres-logical', 'driver: postgres-logicl', 'sources.orders.driver', 'did you mean "postgres-logical"?'],
    ['repository: hot', 'repository: hott', 'sources.orders.repository', 'no repository "hott"; did you mean "hot"?'],
    [
      'sources:',
      'archives: { shop: { repository: hott } }\nsources:',
      'archives.shop.repository',
      'no repository "hott"; did you mean "hot"?',
    ],
    ['repository: hot', 'repository: elsewhere', 'sources.orders.repository', 'there is hot, dr'],
    ['tables: [a]', 'freshness: 25', 'sources.orders.freshness', 'a number and s, m, h or d, like 15m'],
    ['bucket: backups', 'bucket: 25', 'repositories.hot.bucket', 'must be a text; put it in quotes'],
    ['tables: [a]', 'freshness: 5 hours', 'sources.orders.freshness', 'a number and s, m, h or d, like 15m'],
    ['tables: [a]', 'group: pair', 'sources.orders.group', 'there is none'],
    ['tables: [a]', 'tables: a', 'sources.orders.tables', 'must be a list'],
    ['    connection: ', '    # ', 'sources.orders.connection', 'is missing: libpq connection string'],
    ['logical: {', 'logcal: {', 'sources.orders.schedules.logcal', 'did you mean "logical"?'],
    ['logical: {', 'walSwitch: {', 'sources.orders.schedules.walSwitch', 'known here: logical, retention, verify'],
    ['Mon-Sat 02:00', 'Mon-Sat', 'sources.orders.schedules.logical.calendar', 'right would be "Sun 02:00"'],
    ['Europe/Berlin', 'Europe/Berln', 'sources.orders.schedules.logical.timezone', 'did you mean "Europe/Berlin"?'],
    ['{ sql: select true }', 'true', 'sources.orders.verify.assertions[0]', 'must be a mapping of keys to values'],
    ['  orders:', '  Orders:', 'sources.Orders', 'lower case letters'],
    ['keyId: a', 'keyId: b', 'signing.publicKeys', 'no public key for keyId "b"'],
  ])('says for %s written %s what would be right', (line, otherwise, path, message) => {
    expect(about(but(line, otherwise), path)?.message).toContain(message)
  })

  it('says in its message the file, each line and each key', () => {
    expect(() => parseConfig(but('type: s3', 'type: s4'), '/etc/holdfast.yaml')).toThrow(
      '/etc/holdfast.yaml has one problem:\n  line 2: repositories.hot.type: must be one of',
    )
  })

  it('that is no YAML is told by line, all of it, without quoting what may be a secret', () => {
    const text = `a: [1\nsecretAccessKey: "hunter2hunter2\n`
    expect(problemsOf(text).length).toBeGreaterThan(0)
    expect(JSON.stringify(problemsOf(text))).not.toContain('hunter2')
    expect(problemsOf(`${good}sources: {}\n`)).toMatchObject([{ line: 15, message: expect.stringContaining('unique') }])
    expect(problemsOf(good.replace('bucket: backups', 'bucket: !secret backups'))).toMatchObject([
      { line: 2, message: expect.stringContaining('!secret') },
    ])
    expect(problemsOf('a: { b: $' + '{env:X} }')[0]?.message).toContain('needs quotes')
    expect(problemsOf('').map(({ path }) => path)).toContain('repositories')
    expect(problemsOf('just a text')).toMatchObject([{ line: 1, message: 'must be a mapping of keys to values' }])
  })

  it('shows no value that may be a secret', () => {
    const text = good.replace('connection: $' + '{env:ORDERS_DSN}', 'connection: [hunter2hunter2]')
    expect(problemsOf(text)).toHaveLength(1)
    expect(JSON.stringify(problemsOf(text))).not.toContain('hunter2')
  })

  it('is loaded from its file, or says that there is none', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'holdfast-config-'))
    try {
      const file = join(dir, 'holdfast.yaml')
      await expect(loadConfig(file)).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        object: file,
        message: expect.stringContaining('no such file'),
      })
      writeFileSync(file, good)
      expect((await loadConfig(file)).sources.orders?.repository).toBe('hot')
    } finally {
      rmSync(dir, { recursive: true })
    }
  })
})
