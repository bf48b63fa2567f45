/** Calendars as operators write them: `Mon-Sat 02:00`, `daily 03:30`, `hourly :15`, `monthly 1 04:00`, `every 30m`. */
import { HoldfastError } from './errors.ts'

export const DAYS = ['SUNDAY', 'MONDAY', 'TUESDAY', 'WEDNESDAY', 'THURSDAY', 'FRIDAY', 'SATURDAY'] as const
export type Day = (typeof DAYS)[number]

/** The number of the day that is written out or by its first three letters; 0 is Sunday. */
export function findDay(name: string): number | undefined {
  const word = name.toUpperCase()
  const at = DAYS.findIndex((day) => day === word || day.slice(0, 3) === word)
  return at < 0 ? undefined : at
}

/** Also past the end of the week. */
export const daysFrom = (first: number, last: number): number[] =>
  Array.from({ length: ((last - first + 7) % 7) + 1 }, (_, i) => (first + i) % 7)

/** Every `step`th from `start` to `end`. */
export interface Steps {
  start: number
  end: number
  step: number
}

/** What fits a calendar of a Temporal schedule as it is. */
export interface Calendar {
  minute: number | Steps
  hour: number | Steps
  dayOfWeek?: { start: Day; end: Day }[]
  dayOfMonth?: number
  /** The calendar as it was written. */
  comment: string
}

const EXAMPLES =
  '"Sun 02:00", "Mon-Sat 02:00", "Mon,Thu 22:30", "daily 03:30", "weekly", "monthly 1 04:00", "hourly", "hourly :15" or "every 30m"'
const EVERY_HOUR: Steps = { start: 0, end: 23, step: 1 }

/** Throws CONFIG_INVALID saying what a calendar may look like. */
export function parseCalendar(text: string): Calendar {
  const words = text.trim().toLowerCase().split(/\s+/)
  const [first = '', ...rest] = words
  if (first === 'hourly') return { ...hourly(rest, text), comment: text }
  if (first === 'every') return { ...every(rest, text), comment: text }
  if (first === 'monthly') return { ...monthly(rest, text), comment: text }
  if (first === 'daily') return { ...timeOf(atMostOne(rest, text) ?? '03:00', text), comment: text }
  if (first === 'weekly')
    return { ...timeOf(atMostOne(rest, text) ?? '04:00', text), dayOfWeek: [{ start: 'SUNDAY', end: 'SUNDAY' }], comment: text }
  const time = atMostOne(rest, text)
  if (time === undefined) throw wrong(text, first.includes(':') ? 'it names no day' : 'it names no time')
  return { ...timeOf(time, text), dayOfWeek: daysOf(first, text), comment: text }
}

function hourly(rest: string[], text: string): Pick<Calendar, 'minute' | 'hour'> {
  const minute = atMostOne(rest, text) ?? ':00'
  const found = /^:(\d\d)$/.exec(minute)
  if (!found || Number(found[1]) > 59) throw wrong(text, `"${minute}" is no minute of an hour, like :15`)
  return { minute: Number(found[1]), hour: EVERY_HOUR }
}

// Only steps that divide the hour or the day: others would not come evenly.
function every(rest: string[], text: string): Pick<Calendar, 'minute' | 'hour'> {
  const found = /^(\d+)(m|h)$/.exec(atMostOne(rest, text) ?? '')
  const step = Number(found?.[1])
  const whole = found?.[2] === 'h' ? 24 : 60
  if (!found || step < 1 || step >= whole || whole % step !== 0)
    throw wrong(text, 'a step is minutes that divide the hour or hours that divide the day, like 15m or 6h')
  return whole === 60 ? { minute: { start: 0, end: 59, step }, hour: EVERY_HOUR } : { minute: 0, hour: { start: 0, end: 23, step } }
}

function monthly(rest: string[], text: string): Pick<Calendar, 'minute' | 'hour' | 'dayOfMonth'> {
  const [day = '1', time = '05:00', ...more] = rest
  if (more.length > 0) throw wrong(text, `"${more.join(' ')}" is one word too many`)
  if (!/^\d+$/.test(day) || Number(day) < 1 || Number(day) > 28) throw wrong(text, `"${day}" is no day that every month has, 1 to 28`)
  return { ...timeOf(time, text), dayOfMonth: Number(day) }
}

function timeOf(word: string, text: string): { hour: number; minute: number } {
  const found = /^(\d?\d):(\d\d)$/.exec(word)
  const [hour, minute] = [Number(found?.[1]), Number(found?.[2])]
  if (!found || hour > 23 || minute > 59) throw wrong(text, `"${word}" is no time of day from 00:00 to 23:59`)
  return { hour, minute }
}

/** Ranges that never pass the end of the week, as Temporal wants them: `fri-mon` gives Sunday to Monday, Friday to Saturday. */
function daysOf(words: string, text: string): { start: Day; end: Day }[] {
  const chosen = new Set<number>()
  for (const word of words.split(',')) {
    const [from, to, ...more] = word.split('-').map((name) => dayOf(name, text))
    if (from === undefined || more.length > 0) throw wrong(text, `"${word}" is no day and no range of days`)
    for (const day of daysFrom(from, to ?? from)) chosen.add(day)
  }
  const ranges: { start: Day; end: Day }[] = []
  for (const [index, day] of DAYS.entries()) {
    if (!chosen.has(index)) continue
    const last = ranges.at(-1)
    if (last && chosen.has(index - 1)) last.end = day
    else ranges.push({ start: day, end: day })
  }
  return ranges
}

function dayOf(name: string, text: string): number {
  const index = findDay(name)
  if (index === undefined) throw wrong(text, `"${name}" is no day: Mon, Tue, Wed, Thu, Fri, Sat, Sun`)
  return index
}

function atMostOne(words: string[], text: string): string | undefined {
  if (words.length > 1) throw wrong(text, `"${words.slice(1).join(' ')}" is too much`)
  return words[0]
}

function wrong(text: string, why: string): HoldfastError {
  return new HoldfastError('CONFIG_INVALID', `"${text}" is no calendar: ${why}; right would be ${EXAMPLES}`, { object: text })
}
