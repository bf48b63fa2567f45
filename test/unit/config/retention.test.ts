import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../../src/config/load.ts'
import { retentionRules, rulesByDefault } from '../../../src/config/retention-rules.ts'
import type { HoldfastError } from '../../../src/core/errors.ts'

const config = (...lines: string[]) => `repositories:
  hot: { type: folder, path: /srv/hot }
  dr: { type: folder, path: /srv/dr }
encryption: { recipients: [age1abc] }
signing: { keyId: a, publicKeys: { a: QQ== } }
sources:
  orders:
    driver: postgres-physical
    connection: host=db1
    repository: hot
    host: db1
    stanza: orders
    pgbackrestConfig: /etc/pgbackrest.conf
${lines.map((line) => `    ${line}`).join('\n')}
`

function rulesOf(repository: string, ...lines: string[]) {
  const { orders } = parseConfig(config(...lines), 'holdfast.yaml').sources
  return orders && retentionRules(orders, repository)
}

function problemsOf(...lines: string[]): { line: number; path: string; message: string }[] {
  try {
    parseConfig(config(...lines), 'holdfast.yaml')
  } catch (error) {
    return (error as HoldfastError).details.problems as never
  }
  return []
}

describe('the rules of retention', () => {
  it('are seven points of any kind where nothing is said, and the recoverable window', () => {
    expect(rulesOf('hot')).toEqual({
      keepLast: 7,
      byDefault: true,
      daily: 0,
      weekly: 0,
      monthly: 0,
      yearly: 0,
      kinds: {},
      pitrWindow: '7d',
    })
  })

  it('are those of a kind, stated with the others or where its schedule is', () => {
    const schedules = 'schedules: { full: { calendar: "Sun 02:00", retention: 90d, yearly: 7 }, incremental: { calendar: hourly } }'
    const rules = rulesOf('hot', schedules, 'retention: { keepLast: 3, kinds: { incremental: { keepLast: 10 } } }')
    expect(rules).toMatchObject({ keepLast: 3, kinds: { full: { keepWithin: '90d', yearly: 7 }, incremental: { keepLast: 10 } } })
  })

  it('say of themselves what nobody asked for', () => {
    expect(rulesOf('hot', 'retention: { weekly: 4 }')).toMatchObject({ keepLast: 7, weekly: 4, byDefault: true })
    expect(rulesOf('hot', 'retention: { keepLast: 7 }')).not.toHaveProperty('byDefault')
    const there = rulesOf('dr', 'retention: { keepLast: 3, repositories: { dr: { yearly: 7 } } }')
    expect(there).toMatchObject({ keepLast: 7, yearly: 7, byDefault: true })
  })

  it('are listed source by source where they hold by default, those of a driver as well', () => {
    const more = [
      '  store: { driver: rocksdb, host: db1, path: /srv/store, repository: hot }',
      '  other: { driver: rocksdb, host: db1, path: /srv/other, repository: hot, retention: { keepLast: 3, kinds: { scheduled: { keepLast: 7 } } } }',
    ]
    const text = `${config('retention: { keepLast: 1 }')}${more.join('\n')}\n`
    expect(rulesByDefault(parseConfig(text, 'holdfast.yaml'))).toEqual({
      store: ['retention.keepLast: 7', 'retention.kinds.scheduled.keepLast: 7', 'retention.kinds.incremental.keepLast: 10'],
    })
    expect(rulesByDefault(parseConfig(config(), 'holdfast.yaml'))).toEqual({ orders: ['retention.keepLast: 7'] })
  })

  it('of a repository stand instead of all the others', () => {
    const lines = [
      'schedules: { full: { calendar: "Sun 02:00", retention: 90d } }',
      'retention: { keepWithin: 30d, repositories: { dr: { keepLast: 1, weekly: 52, kinds: { manual: { keepLast: 2 } } } } }',
    ]
    expect(rulesOf('hot', ...lines)).toMatchObject({ keepLast: 7, keepWithin: '30d', kinds: { full: { keepWithin: '90d' } } })
    const dr = rulesOf('dr', ...lines)
    expect(dr).toMatchObject({ keepLast: 1, weekly: 52, pitrWindow: '7d', kinds: { manual: { keepLast: 2 } } })
    expect(dr).not.toHaveProperty('keepWithin')
    expect(dr?.kinds).not.toHaveProperty('full')
  })

  it('are refused where two places speak of one kind, and both are named', () => {
    const problems = problemsOf('schedules: { full: { calendar: weekly, yearly: 7 } }', 'retention: { kinds: { full: { keepLast: 2 } } }')
    expect(problems).toEqual([
      {
        line: 14,
        path: 'sources.orders.schedules.full.yearly',
        message: 'sources.orders.retention.kinds.full speaks of these points as well: say in one place how long they stay',
      },
    ])
  })

  it.each([
    ['schedules: { verify: { calendar: weekly, retention: 7d } }', 'schedules.verify.retention', /^this schedule makes no points$/],
    ['schedules: { walSwitch: { calendar: hourly, retention: 7d } }', 'schedules.walSwitch.retention', /pitrWindow .* how long WAL stays/],
    ['retention: { kinds: { full: {} } }', 'retention.kinds.full', /keeps no point: give at least one of keepLast/],
    ['retention: { kinds: { pre_restore: { keepLast: 1 } } }', 'retention.kinds.pre_restore', /unknown key; .*manual/],
    ['retention: { repositories: { dt: { keepLast: 1 } } }', 'retention.repositories.dt', /no repository "dt"; there is hot, dr/],
    ['schedules: { full: { calendar: weekly, retention: { yearly: 7 } } }', 'schedules.full.retention', /must be a text|duration/],
  ])('%s is refused', (line, path, message) => {
    expect(problemsOf(line)).toEqual([{ line: 14, path: `sources.orders.${path}`, message: expect.stringMatching(message) }])
  })
})
