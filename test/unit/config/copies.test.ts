import { describe, expect, it } from 'vitest'
import { copiesOf, repositoriesOf, placesToLook } from '../../../src/config/copies.ts'
import { parseConfig } from '../../../src/config/load.ts'
import { retentionRules } from '../../../src/config/retention-rules.ts'
import { parseCalendar } from '../../../src/core/calendar.ts'
import type { HoldfastError } from '../../../src/core/errors.ts'
import { planSchedules } from '../../../src/temporal/plan-schedules.ts'

const config = (...lines: string[]) => `repositories:
  hot: { type: s3, bucket: backups }
  dr: { type: s3, bucket: backups-dr, region: us-west-2 }
  offsite: { type: ssh, host: vault.example.com, path: /srv/backups }
encryption: { recipients: [age1abc] }
signing: { keyId: a, publicKeys: { a: QQ== } }
sources:
  store:
    driver: files
    root: /var/lib/store
    repository: hot
${lines.map((line) => `    ${line}`).join('\n')}
`

function sourceOf(...lines: string[]) {
  const { store } = parseConfig(config(...lines), 'holdfast.yaml').sources
  if (!store) throw new Error('it has a source')
  return store
}

function problemsOf(text: string): { line: number; path: string; message: string }[] {
  try {
    parseConfig(text, 'holdfast.yaml')
  } catch (error) {
    return (error as HoldfastError).details['problems'] as never
  }
  return []
}

describe('copies of a source', () => {
  it('are none where nothing is said', () => {
    expect(copiesOf(sourceOf())).toEqual([])
    expect(repositoriesOf(sourceOf())).toEqual(['hot'])
  })

  it('go to a repository that is named, after each backup, and are read there', () => {
    expect(copiesOf(sourceOf('copies: [dr]'))).toEqual([{ to: 'dr', log: true, verify: 'read' }])
  })

  it('go off-site weekly and stay for a year there, while the source keeps thirty days and goes to a second region at once', () => {
    const source = sourceOf(
      'schedules: { scheduled: { calendar: "daily 02:00" } }',
      'copies: [dr, { to: offsite, kinds: [scheduled], newest: 1, schedule: { calendar: "Sun 04:00" } }]',
      'retention: { keepWithin: 30d, repositories: { offsite: { keepLast: 1, keepWithin: 365d } } }',
    )
    expect(copiesOf(source)).toEqual([
      { to: 'dr', log: true, verify: 'read' },
      { to: 'offsite', kinds: ['scheduled'], newest: 1, schedule: { calendar: 'Sun 04:00', timezone: 'UTC' }, log: true, verify: 'read' },
    ])
    expect(repositoriesOf(source)).toEqual(['hot', 'dr', 'offsite'])
    expect(retentionRules(source, 'offsite')).toMatchObject({ keepLast: 1, keepWithin: '365d' })
    expect(retentionRules(source, 'dr')).toMatchObject({ keepLast: 7, keepWithin: '30d' })
  })

  it('with a calendar have a schedule, the others none', () => {
    const text = config('copies: [dr, { to: offsite, schedule: { calendar: "Sun 04:00", timezone: Europe/Berlin } }]')
    const copies = planSchedules(parseConfig(text, 'holdfast.yaml')).filter(({ workflowType }) => workflowType === 'copyPoints')
    expect(copies).toMatchObject([
      {
        id: 'holdfast/store/copy-offsite',
        input: { source: 'store', to: 'offsite' },
        timezone: 'Europe/Berlin',
        calendar: parseCalendar('Sun 04:00'),
      },
    ])
  })

  it('name repositories that there are, each once, and not that of the source', () => {
    expect(problemsOf(config('copies: [rd, hot, dr, { to: dr }]'))).toMatchObject([
      { path: 'sources.store.copies[0]', message: expect.stringContaining('dr') },
      { path: 'sources.store.copies[1]', message: expect.stringContaining('repository of the source itself') },
      { path: 'sources.store.copies[3]', message: expect.stringContaining('twice') },
    ])
  })

  it('have a calendar and a time zone that are understood', () => {
    const problems = problemsOf(config('copies: [{ to: dr, schedule: { calendar: "someday", timezone: "Moon/Sea" } }]'))
    expect(problems.map(({ path }) => path)).toEqual([
      'sources.store.copies[0].schedule.calendar',
      'sources.store.copies[0].schedule.timezone',
    ])
  })

  it('are refused for points that lie in the repository of pgBackRest, with what it has for that', () => {
    const physical = config('host: db1', 'stanza: orders', 'connection: host=db1', 'pgbackrestConfig: /etc/pgbackrest.conf', 'copies: [dr]')
      .replace('driver: files', 'driver: postgres-physical')
      .replace('    root: /var/lib/store\n', '')
    expect(problemsOf(physical)).toMatchObject([{ path: 'sources.store.copies', message: expect.stringContaining('repo2-path') }])
  })

  it('are where a command may look, and nowhere else', () => {
    const source = sourceOf('copies: [dr]')
    expect(placesToLook(source, 'store')).toEqual(['hot', 'dr'])
    expect(placesToLook(source, 'store', 'dr')).toEqual(['dr'])
    expect(() => placesToLook(source, 'store', 'offsite')).toThrow(/no points in a repository "offsite"; it has them in hot, dr/)
  })
})
