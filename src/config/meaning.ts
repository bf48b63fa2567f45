/**
 * What a shape cannot say: names that must exist, calendars, time zones. Takes the configuration as it was written, so
 * that these problems come together with those of the shape; what has the wrong shape is passed over here.
 */
import { parseCalendar } from '../core/calendar.ts'
import { messageOf } from '../core/errors.ts'
import { inOrder } from '../core/sets.ts'
import { parseDates, parseSpan } from '../core/windows.ts'
import { checkCopies } from './meaning-copies.ts'
import { checkScheduleRules } from './meaning-retention.ts'
import { checkTransitions } from './meaning-transitions.ts'
import type { Path } from './problem.ts'
import { didYouMean } from './suggest.ts'

type Report = (path: Path, message: string) => void
type Fields = Record<string, unknown>

export function checkMeaning(config: unknown, report: Report): void {
  const { repositories, sources, archives, sets, applications, projections, failoverGroups, encryption, signing } = fields(config)
  for (const [key, source] of entries(sources)) {
    const at = (...rest: Path): Path => ['sources', key, ...rest]
    mustExist(at('repository'), source.repository, 'repository', repositories, report)
    mustExist(at('group'), source.group, 'failover group', failoverGroups, report)
    mustExist(at('wal', 'archive'), fields(source.wal).archive, 'archive', archives, report)
    for (const [index, one] of list(fields(source.wal).earlier).entries())
      mustExist(at('wal', 'earlier', index), one, 'archive', archives, report)
    checkCalendars(source, at, report)
    for (const [index, one] of list(source.copies).entries()) {
      const [to, schedule] = typeof one === 'string' ? [one] : [fields(one).to, fields(fields(one).schedule)]
      mustExist(at('copies', index), to, 'repository', repositories, report)
      checkCalendar(at('copies', index, 'schedule', 'calendar'), schedule?.calendar, report)
      checkTimezone(at('copies', index, 'schedule', 'timezone'), schedule?.timezone, report)
    }
    checkCopies(source, list(source.copies), at, report)
    for (const [index, one] of list(source.applications).entries())
      mustExist(at('applications', index), one, 'application', applications, report)
    for (const [index, one] of list(source.projections).entries())
      mustExist(at('projections', index), one, 'projection', projections, report)
    const windows = fields(source.windows)
    checkEach(at('windows', 'open'), windows.open, parseSpan, report)
    checkEach(at('windows', 'closed'), windows.closed, parseDates, report)
    checkTimezone(at('windows', 'timezone'), windows.timezone, report)
    const { kinds, repositories: elsewhere } = fields(source.retention)
    checkScheduleRules(entries(source.schedules), fields(kinds), at, report)
    for (const name of Object.keys(fields(elsewhere)))
      mustExist(at('retention', 'repositories', name), name, 'repository', repositories, report)
  }
  for (const [key, repository] of entries(repositories)) {
    const { at, timezone } = fields(repository.bandwidth)
    for (const [index, one] of list(at).entries())
      checkEach(['repositories', key, 'bandwidth', 'at', index, 'window'], [fields(one).window], parseSpan, report)
    checkTimezone(['repositories', key, 'bandwidth', 'timezone'], timezone, report)
    const there = entries(sources).filter(([, source]) => source.repository === key)
    const named = there.map(([name, { driver }]) => ({ name, driver }))
    checkTransitions(repository, named, (...rest) => ['repositories', key, ...rest], report)
  }
  for (const [key, archive] of entries(archives))
    mustExist(['archives', key, 'repository'], archive.repository, 'repository', repositories, report)
  for (const [key, set] of entries(sets)) checkSet(['sets', key], set, sources, report)
  for (const [key, group] of entries(failoverGroups)) {
    mustExist(['failoverGroups', key, 'primary'], group.primary, 'site', group.sites, report)
    for (const [index, fence] of list(group.fence).entries())
      mustExist(['failoverGroups', key, 'fence', index, 'site'], fields(fence).site, 'site', group.sites, report)
    mustExist(['failoverGroups', key, 'source'], group.source, 'source', sources, report)
  }
  checkCalendar(['encryption', 'check'], fields(encryption).check, report)
  checkSigning(fields(signing), report)
}

/** Words that a parser has to understand. */
function checkEach(path: Path, words: unknown, parse: (text: string) => unknown, report: Report): void {
  for (const word of list(words)) {
    if (typeof word !== 'string') continue
    try {
      parse(word)
    } catch (error) {
      report(path, messageOf(error))
    }
  }
}

function checkSet(path: Path, set: Fields, sources: unknown, report: Report): void {
  const members = list(set.sources).map((one) => (typeof one === 'string' ? { name: one, after: [] } : fields(one)))
  const named = Object.fromEntries(members.map((one) => [String(one.name), one]))
  for (const [index, { name, after }] of members.entries()) {
    mustExist([...path, 'sources', index], name, 'source', sources, report)
    for (const other of list(after)) mustExist([...path, 'sources', index, 'after'], other, 'member', named, report)
  }
  for (const [index, check] of list(set.checks).entries())
    for (const side of ['left', 'right'])
      mustExist([...path, 'checks', index, side, 'source'], fields(fields(check)[side]).source, 'member', named, report)
  const ordered = members.map(({ name, after }) => ({ name: String(name), after: list(after).map(String) }))
  if (ordered.every(({ after }) => after.every((other) => Object.hasOwn(named, other)))) checkOrder(path, ordered, report)
  checkCalendar([...path, 'schedule', 'calendar'], fields(set.schedule).calendar, report)
  checkTimezone([...path, 'schedule', 'timezone'], fields(set.schedule).timezone, report)
}

function checkOrder(path: Path, members: { name: string; after: string[] }[], report: Report): void {
  try {
    inOrder(members)
  } catch (error) {
    report([...path, 'sources'], messageOf(error))
  }
}

function checkCalendars(source: Fields, at: (...rest: Path) => Path, report: Report): void {
  for (const [name, schedule] of entries(source.schedules)) {
    checkCalendar(at('schedules', name, 'calendar'), schedule.calendar, report)
    checkTimezone(at('schedules', name, 'timezone'), schedule.timezone, report)
  }
  const verify = fields(source.verify)
  for (const depth of ['read', 'restore']) checkCalendar(at('verify', depth), verify[depth], report)
}

function checkCalendar(path: Path, calendar: unknown, report: Report): void {
  if (typeof calendar !== 'string') return
  try {
    parseCalendar(calendar)
  } catch (error) {
    report(path, messageOf(error))
  }
}

function checkTimezone(path: Path, timezone: unknown, report: Report): void {
  if (typeof timezone !== 'string') return
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone })
  } catch {
    report(
      path,
      `"${timezone}" is no time zone;${didYouMean(timezone, Intl.supportedValuesOf('timeZone')) || ' right would be UTC or Europe/Berlin'}`,
    )
  }
}

function checkSigning({ keyId, publicKeys }: Fields, report: Report): void {
  if (typeof keyId !== 'string' || typeof publicKeys !== 'object' || publicKeys === null || keyId in publicKeys) return
  report(['signing', 'publicKeys'], `no public key for keyId "${keyId}"`)
}

function mustExist(path: Path, name: unknown, what: string, all: unknown, report: Report): void {
  if (typeof name !== 'string' || Object.hasOwn(fields(all), name)) return
  const known = Object.keys(fields(all))
  report(path, `no ${what} "${name}";${didYouMean(name, known) || ` there is ${known.join(', ') || 'none'}`}`)
}

function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {}
}

function entries(value: unknown): [string, Fields][] {
  return Object.entries(fields(value)).map(([key, entry]) => [key, fields(entry)])
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}
