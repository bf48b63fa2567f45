/** The example configurations: each is read as an operator's would be, and asks Temporal for what its recovery plan says. */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { loadConfig } from '../../src/config/load.ts'
import { retentionRules } from '../../src/config/retention-rules.ts'
import type { Config } from '../../src/config/schema.ts'
import { planSchedules } from '../../src/temporal/plan-schedules.ts'

const FOLDER = new URL('../../examples/', import.meta.url)
const files = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.yaml'))
const load = (file: string) => loadConfig(new URL(file, FOLDER).pathname)

/** Schedule, when, workflow with what it is asked for. */
const SCHEDULES: Record<string, [string, string, string][]> = {
  'mnx-event-store/holdfast.yaml': [
    ['configuration/verify-restore', 'weekly', 'verifyRestore restore'],
    ['nexus-wal/full', 'daily 01:00', 'backup full'],
    ['nexus-wal/verify-restore', 'weekly', 'verifyRestore restore'],
    ['nexus/scheduled', 'daily 02:00', 'backup scheduled'],
    ['nexus/verify-read', 'daily', 'verifyRestore read'],
    ['nexus/verify-restore', 'weekly', 'verifyRestore restore'],
    ['system/set', 'Sun 04:00', 'backupSet scheduled'],
  ],
  'mnx-event-store/holdfast.development.yaml': [
    ['nexus-eventlog/logical', 'daily 02:00', 'backup scheduled'],
    ['nexus/scheduled', 'Sun 02:30', 'backup scheduled'],
  ],
  'mind-v5/holdfast.yaml': [
    ['everything/set', 'daily 05:00', 'backupSet scheduled'],
    ['graph/scheduled', 'hourly', 'backup scheduled'],
    ['postgres/full', 'daily 02:00', 'backup full'],
    ['secrets/scheduled', 'daily', 'backup scheduled'],
    ['streams/scheduled', 'hourly', 'backup scheduled'],
    ['vectors/scheduled', 'daily', 'backup scheduled'],
    ['workflows/scheduled', 'daily', 'backup scheduled'],
    ...['graph', 'postgres', 'secrets', 'streams', 'vectors', 'workflows'].flatMap((source): [string, string, string][] => [
      [`${source}/verify-read`, 'weekly', 'verifyRestore read'],
      [`${source}/verify-restore`, 'monthly', 'verifyRestore restore'],
    ]),
  ],
  'neumann/holdfast.yaml': [
    ['neumann/copy-offsite', 'Sun 04:00', 'copyPoints offsite'],
    ['neumann/entries', 'every 1m', 'backupWhenDue snapshot'],
    ['neumann/full', 'daily 02:00', 'backup full'],
    ['neumann/retention', 'daily 03:00', 'retention'],
    ['neumann/verify-restore', 'weekly', 'verifyRestore restore'],
  ],
  'resonant-genesis/holdfast.yaml': [
    ['configuration-git/scheduled', 'daily 04:00', 'backup scheduled'],
    ['configuration-secrets/scheduled', 'daily 04:00', 'backup scheduled'],
    ['configuration/scheduled', 'daily 04:00', 'backup scheduled'],
    ['configuration/verify-restore', 'monthly', 'verifyRestore restore'],
    ['database-dump/logical', 'Sun 02:00', 'backup scheduled'],
    ['database-dump/verify-restore', 'monthly', 'verifyRestore restore'],
    ['database/full', 'Sun 02:00', 'backup full'],
    ['database/incremental', 'Mon-Sat 02:00', 'backup incremental'],
    ['database/verify-read', 'weekly', 'verifyRestore read'],
    ['database/verify-restore', 'monthly', 'verifyRestore restore'],
    ['database/walSwitch', 'hourly', 'walSwitch'],
    ['files/incremental', 'daily 03:00', 'backup incremental'],
    ['files/verify-restore', 'monthly', 'verifyRestore restore'],
    ['logs/scheduled', 'daily 01:00', 'backup scheduled'],
    ['region/readiness', 'every 30m', 'evaluateReadiness'],
    ['secrets/scheduled', 'daily 04:00', 'backup scheduled'],
    ['secrets/verify-restore', 'monthly', 'verifyRestore restore'],
    ['site/set', 'daily 05:00', 'backupSet scheduled'],
  ],
  'meridian/holdfast.yaml': [
    ['meridian/incremental', 'every 6h', 'backup incremental'],
    ['meridian/scheduled', 'daily 02:00', 'backup scheduled'],
  ],
}

/** Source, kind of its points (of all others where it is empty), what of the rules the plan states. */
const RETENTION: [string, string, string, object][] = [
  ['mnx-event-store/holdfast.yaml', 'nexus', 'scheduled', { keepWithin: '30d', weekly: 52 }],
  ['mnx-event-store/holdfast.yaml', 'nexus-wal', 'full', { keepWithin: '30d', weekly: 52 }],
  ['mnx-event-store/holdfast.yaml', 'configuration', '', { keepWithin: '30d', weekly: 52 }],
  ['mnx-event-store/holdfast.development.yaml', 'nexus-eventlog', 'scheduled', { keepWithin: '7d' }],
  ['mnx-event-store/holdfast.development.yaml', 'nexus', 'scheduled', { keepWithin: '7d' }],
  ['mind-v5/holdfast.yaml', 'postgres', 'full', { keepWithin: '30d', yearly: 7 }],
  ['mind-v5/holdfast.yaml', 'graph', 'scheduled', { keepWithin: '7d' }],
  ['mind-v5/holdfast.yaml', 'vectors', 'scheduled', { keepWithin: '7d' }],
  ['mind-v5/holdfast.yaml', 'streams', 'scheduled', { keepWithin: '3d' }],
  ['mind-v5/holdfast.yaml', 'workflows', 'scheduled', { keepWithin: '30d' }],
  ['mind-v5/holdfast.yaml', 'secrets', 'scheduled', { keepWithin: '90d' }],
  ['neumann/holdfast.yaml', 'neumann', 'snapshot', { keepWithin: '7d' }],
  ['neumann/holdfast.yaml', 'neumann', 'full', { keepWithin: '30d' }],
  ['resonant-genesis/holdfast.yaml', 'database', 'full', { keepWithin: '90d' }],
  ['resonant-genesis/holdfast.yaml', 'database', 'incremental', { keepWithin: '30d' }],
  ['resonant-genesis/holdfast.yaml', 'database-dump', 'scheduled', { keepWithin: '90d' }],
  ['resonant-genesis/holdfast.yaml', 'files', 'incremental', { keepWithin: '30d' }],
  ['resonant-genesis/holdfast.yaml', 'configuration', 'scheduled', { keepWithin: '90d' }],
  ['meridian/holdfast.yaml', 'meridian', 'scheduled', { keepLast: 7 }],
  ['meridian/holdfast.yaml', 'meridian', 'incremental', { keepLast: 10 }],
]

describe('an example', () => {
  it('is in these tables', () => {
    expect(files.sort()).toEqual(Object.keys(SCHEDULES).sort())
  })

  it.each(Object.entries(SCHEDULES))('%s asks for the schedules of its plan, and for no others', async (file, wanted) => {
    // What has no name of its own after the slash is asked of every configuration.
    const own = planSchedules(await load(file)).filter(({ id }) => id.split('/').length === 3)
    const planned = own.map(({ id, calendar, timezone, workflowType, input }) => {
      expect(timezone, id).toBe('UTC')
      return [
        id.replace('holdfast/', ''),
        calendar.comment,
        [workflowType, input['kind'] ?? input['depth'] ?? input['to']].filter(Boolean).join(' '),
      ]
    })
    expect(planned).toEqual(wanted.toSorted(([one], [other]) => (one < other ? -1 : 1)))
  })

  it.each(RETENTION)('%s keeps the points of %s (%s) as long as its plan says', async (file, source, kind, rules) => {
    const { [source]: found } = (await load(file)).sources
    if (!found) throw new Error(`${file} has no source ${source}`)
    const { kinds = {}, ...general } = retentionRules(found, found.repository)
    expect(kind === '' ? general : kinds[kind as keyof typeof kinds]).toMatchObject(rules)
  })

  it('keeps what is off-site as long as its plan says', async () => {
    const { neumann } = (await load('neumann/holdfast.yaml')).sources
    expect(neumann && retentionRules(neumann, 'offsite')).toMatchObject({ keepWithin: '365d', kinds: {} })
  })

  it('reaches back as far as its plan says', async () => {
    const windowOf = ({ sources }: Config, name: string) => (sources[name] as { pitrWindow?: string }).pitrWindow
    expect(windowOf(await load('resonant-genesis/holdfast.yaml'), 'database')).toBe('7d')
    expect(windowOf(await load('mind-v5/holdfast.yaml'), 'postgres')).toBe('30d')
  })

  it.each(files)('%s says on top what it is for, and has secrets by reference only', (file) => {
    const text = readFileSync(new URL(file, FOLDER), 'utf8')
    expect(text).toMatch(/^# \w/)
    for (const { path, value } of secretsOf(parse(text))) expect(value, path).toMatch(/^\$\{(env|file):[^}]+\}$/)
  })

  it('is named by the page of its plan', () => {
    for (const file of files)
      expect(readFileSync(new URL(`../../docs/plans/${file.split('/')[0]}.md`, import.meta.url), 'utf8')).toContain(`examples/${file}`)
  })
})

const SECRET = /^(connection|token|restoredToken|unsealKeys|password|replicationPassword|apiKey|credentials|ES_AUTH)$/

function* secretsOf(value: unknown, path: string[] = [], within = false): Generator<{ path: string; value: string }> {
  if (typeof value === 'string' && within) yield { path: path.join('.'), value }
  if (typeof value !== 'object' || value === null) return
  for (const [key, inner] of Object.entries(value)) yield* secretsOf(inner, [...path, key], within || SECRET.test(key))
}
