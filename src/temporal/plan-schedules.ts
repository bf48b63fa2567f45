/** Which schedules a configuration wants. Pure. */
import { CONTROL_QUEUE } from '../contract/vocabulary.ts'
import type { Duration } from '@temporalio/common'
import { copiesOf } from '../config/copies.ts'
import type { Config, SourceConfig } from '../config/schema.ts'
import { type Calendar, parseCalendar } from '../core/calendar.ts'
import { kindOfSchedule } from '../core/ids.ts'

export interface DesiredSchedule {
  /** `holdfast/<source or group>/<name>`; `holdfast/keys` is of all. */
  id: string
  workflowType:
    | 'backup'
    | 'backupWhenDue'
    | 'walSwitch'
    | 'copyPoints'
    | 'retention'
    | 'verifyRestore'
    | 'backupSet'
    | 'evaluateReadiness'
    | 'checkKeys'
  input: Record<string, string>
  /** Runs get this with the time behind it. */
  workflowId: string
  taskQueue: string
  /** One line for the UI. */
  summary: string
  calendar: Calendar
  timezone: string
  /** How late a missed run is still made good. */
  catchupWindow: Duration
  /** Spread of sources that share a calendar. */
  jitter: Duration
}

/** Every schedule of ours has it; what has it and is not wanted is deleted. */
export const SCHEDULE_PREFIX = 'holdfast/'

/** A missed backup, proof or retention is made good once; a missed look or segment switch is of no use later. */
const POLICY: Record<DesiredSchedule['workflowType'], { catchupWindow: Duration; jitter: Duration }> = {
  backup: { catchupWindow: '1 day', jitter: '1 minute' },
  backupWhenDue: { catchupWindow: '1 minute', jitter: '10 seconds' },
  backupSet: { catchupWindow: '1 day', jitter: '1 minute' },
  verifyRestore: { catchupWindow: '7 days', jitter: '10 minutes' },
  copyPoints: { catchupWindow: '7 days', jitter: '10 minutes' },
  retention: { catchupWindow: '1 day', jitter: '10 minutes' },
  walSwitch: { catchupWindow: '5 minutes', jitter: '10 seconds' },
  checkKeys: { catchupWindow: '7 days', jitter: '10 minutes' },
  evaluateReadiness: { catchupWindow: '5 minutes', jitter: '1 minute' },
}

const READINESS = 'every 30m'
/** How often a source is asked whether enough was written. */
const DUE = 'every 1m'

type Wanted = Pick<DesiredSchedule, 'workflowType' | 'input'> & { of: string; name?: string; calendar: string; timezone?: string }

export function planSchedules(config: Config): DesiredSchedule[] {
  const wanted = [
    ...Object.entries(config.sources).flatMap(([name, source]) => [
      ...ofSchedules(name, source),
      ...ofEntries(name, source),
      ...ofProofs(name, source),
      ...ofCopies(name, source),
    ]),
    ...Object.entries(config.sets).flatMap(([set, { schedule }]): Wanted[] =>
      schedule ? [{ of: set, name: 'set', workflowType: 'backupSet', input: { set, kind: 'scheduled' }, ...schedule }] : [],
    ),
    ...Object.keys(config.failoverGroups).map(
      (group): Wanted => ({ of: group, name: 'readiness', workflowType: 'evaluateReadiness', input: { group }, calendar: READINESS }),
    ),
    ...ofKeys(config),
  ]
  return wanted.map((one) => complete(one, CONTROL_QUEUE)).sort((a, b) => (a.id < b.id ? -1 : 1))
}

function ofSchedules(source: string, { schedules }: SourceConfig): Wanted[] {
  return Object.entries(schedules).map(([name, { calendar, timezone }]) => ({
    of: source,
    name,
    calendar,
    timezone,
    ...workOf(name, source),
  }))
}

function ofEntries(source: string, config: SourceConfig): Wanted[] {
  if (!('every' in config) || !config.every) return []
  return [{ of: source, name: 'entries', workflowType: 'backupWhenDue', input: { source, kind: 'snapshot' }, calendar: DUE }]
}

function ofKeys({ encryption: { check }, sources }: Config): Wanted[] {
  if (check === false || Object.keys(sources).length === 0) return []
  return [{ of: 'keys', workflowType: 'checkKeys', input: {}, calendar: check }]
}

function workOf(name: string, source: string): Pick<Wanted, 'workflowType' | 'input'> {
  switch (name) {
    case 'walSwitch':
    case 'retention':
      return { workflowType: name, input: { source } }
    case 'verify':
      return { workflowType: 'verifyRestore', input: { source, depth: 'full' } }
    default:
      return { workflowType: 'backup', input: { source, kind: kindOfSchedule(name) ?? name } }
  }
}

function ofProofs(source: string, { verify }: SourceConfig): Wanted[] {
  return (['read', 'restore'] as const).flatMap((depth): Wanted[] => {
    const calendar = verify[depth]
    return calendar === undefined
      ? []
      : [{ of: source, name: `verify-${depth}`, workflowType: 'verifyRestore', input: { source, depth }, calendar }]
  })
}

function ofCopies(source: string, config: SourceConfig): Wanted[] {
  return copiesOf(config).flatMap(({ to, schedule }): Wanted[] =>
    schedule ? [{ of: source, name: `copy-${to}`, workflowType: 'copyPoints', input: { source, to }, ...schedule }] : [],
  )
}

function complete({ of, name, calendar, timezone = 'UTC', workflowType, input }: Wanted, taskQueue: string): DesiredSchedule {
  const place = name === undefined ? of : `${of}/${name}`
  return {
    id: `${SCHEDULE_PREFIX}${place}`,
    workflowType,
    input,
    workflowId: `${workflowType}/${place}`,
    taskQueue,
    summary: `${name === undefined ? of : `${name} of ${of}`}, ${calendar} ${timezone}`,
    calendar: parseCalendar(calendar),
    timezone,
    ...POLICY[workflowType],
  }
}
