/** When something may run: spans of the week that are open, dates that are closed. Pure. */
import { HoldfastError } from './errors.ts'
import { DAYS, daysFrom, findDay } from './calendar.ts'

/** Minutes of a day, from midnight; `to` may lie on the next day, and is then less than `from`. */
export interface Span {
  /** 0 is Sunday: the days on which it begins. */
  days: ReadonlySet<number>
  from: number
  to: number
}

export interface Windows {
  /** Open always where there is none. */
  open: readonly Span[]
  /** First and last day, as `2026-12-24`. */
  closed: readonly { first: string; last: string }[]
  timezone: string
}

export interface WindowState {
  open: boolean
  /** When that ends; absent where it does not within eight days. */
  until?: Date
}

const DAY_MINUTES = 24 * 60
const LOOK_AHEAD_MINUTES = 8 * DAY_MINUTES
const EXAMPLES = '"daily 22:00-06:00", "Mon-Fri 20:00-24:00" or "Sat,Sun 00:00-24:00"'

/** `Mon-Fri 22:00-06:00`. Throws CONFIG_INVALID saying what one looks like. */
export function parseSpan(text: string): Span {
  const found = /^(\S+)\s+(\d\d):(\d\d)-(\d\d):(\d\d)$/.exec(text.trim())
  if (!found) throw wrong(text, 'it is days and two times of day')
  const [, days = '', ...times] = found
  const [fromHour = 0, fromMinute = 0, toHour = 0, toMinute = 0] = times.map(Number)
  const [from, to] = [fromHour * 60 + fromMinute, toHour * 60 + toMinute]
  if (fromMinute > 59 || toMinute > 59 || from >= DAY_MINUTES || to > DAY_MINUTES) throw wrong(text, 'a time of day is from 00:00 to 24:00')
  if (from === to) throw wrong(text, 'it ends where it begins')
  return { days: daysOf(days, text), from, to }
}

function daysOf(words: string, text: string): ReadonlySet<number> {
  if (words.toLowerCase() === 'daily') return new Set(DAYS.keys())
  const chosen = new Set<number>()
  for (const word of words.split(',')) {
    const [first = -1, last = first, ...more] = word.split('-').map((name) => dayOf(name, text))
    if (more.length > 0) throw wrong(text, `"${word}" is no range of days`)
    for (const day of daysFrom(first, last)) chosen.add(day)
  }
  return chosen
}

function dayOf(name: string, text: string): number {
  const at = findDay(name)
  if (at === undefined) throw wrong(text, `"${name}" is no day`)
  return at
}

/** `2026-12-24` or `2026-12-24 to 2026-12-26`. */
export function parseDates(text: string): { first: string; last: string } {
  const found = /^(\d{4}-\d\d-\d\d)(?: to (\d{4}-\d\d-\d\d))?$/.exec(text.trim())
  const [first = '', last = first] = found?.slice(1) ?? []
  if (found && isDate(first) && isDate(last) && first <= last) return { first, last }
  throw new HoldfastError('CONFIG_INVALID', `"${text}" are no dates: right would be "2026-12-24" or "2026-12-24 to 2026-12-26"`, {
    object: text,
  })
}

const isDate = (text: string) => new Date(`${text}T00:00:00Z`).toJSON()?.startsWith(text) === true

/** How it stands at a moment, and until when. */
export function stateAt(windows: Windows, at: Date): WindowState {
  const clock = clockOf(windows.timezone)
  const open = isOpen(windows, clock(at))
  // From minute to minute: clocks are set forward and back.
  const minute = new Date(Math.floor(at.getTime() / 60_000) * 60_000)
  for (let step = 1; step <= LOOK_AHEAD_MINUTES; step += 1) {
    const later = new Date(minute.getTime() + step * 60_000)
    if (isOpen(windows, clock(later)) !== open) return { open, until: later }
  }
  return { open }
}

interface Clock {
  date: string
  day: number
  minute: number
}

export function isOpen({ open, closed }: Pick<Windows, 'open' | 'closed'>, { date, day, minute }: Clock): boolean {
  if (closed.some(({ first, last }) => first <= date && date <= last)) return false
  return open.length === 0 || open.some((span) => covers(span, day, minute))
}

export function covers({ days, from, to }: Span, day: number, minute: number): boolean {
  if (from < to) return days.has(day) && from <= minute && minute < to
  return (days.has(day) && minute >= from) || (days.has((day + 6) % 7) && minute < to)
}

/** What a clock on the wall there shows. */
export function clockOf(timezone: string): (at: Date) => Clock {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone: timezone,
    hourCycle: 'h23',
    weekday: 'short',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  })
  return (at) => {
    const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]))
    const day = DAYS.findIndex((name) => name.toLowerCase().startsWith((parts['weekday'] ?? '').toLowerCase()))
    return { date: `${parts['year']}-${parts['month']}-${parts['day']}`, day, minute: Number(parts['hour']) * 60 + Number(parts['minute']) }
  }
}

function wrong(text: string, why: string): HoldfastError {
  return new HoldfastError('CONFIG_INVALID', `"${text}" is no window: ${why}; right would be ${EXAMPLES}`, { object: text })
}
