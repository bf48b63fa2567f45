/**
 * Names of segments that no PostgreSQL gave: what order they tell, and what is missing in it. Told only where they surely
 * count: by an expression of the configuration, or because most of them follow upon each other.
 */
import { byEntries, type Entries, entriesOf, type Gap, gapsIn } from '../core/log.ts'

export interface Series {
  /** What the names have in common, with a star for each number; or the expression that they fit. */
  form: string
  counts: 'decimal' | 'hexadecimal' | 'entries'
  files: number
  first: string
  last: string
  /** Names, or where names have the entries in them, those. */
  gaps: { from: string; to: string; missing: number }[]
}

export interface Read {
  series: Series[]
  /** Names of which nobody can tell whether any are missing between them. */
  unread: string[]
}

/** `names` is an expression with the groups first and last, where the configuration has one. */
export function readSeries(all: readonly string[], names?: string): Read {
  const read: Read = { series: [], unread: [...all] }
  const take = (groups: Group[]) => {
    const taken = new Set(groups.flatMap(({ members }) => members.map(({ name }) => name)))
    read.series.push(...groups.map(seriesOf))
    read.unread = read.unread.filter((name) => !taken.has(name))
  }
  if (names !== undefined) take(groupBy(all, byExpression(names)))
  for (const guess of [byRange, byCounter('hexadecimal', HEX), byCounter('decimal', DECIMAL)])
    take(groupBy(read.unread, guess).filter(isCounting))
  return read
}

type Told = Entries & {
  counts: Series['counts']
  /** What stands before and after the digits of a counter. */
  prefix: string
  digits: string
  suffix: string
  form: string
}
interface Group {
  form: string
  members: (Told & { name: string })[]
}

function groupBy(all: readonly string[], read: (name: string) => Told | undefined): Group[] {
  const groups = new Map<string, Group>()
  for (const name of all) {
    const told = read(name)
    if (!told || !Number.isSafeInteger(told.last) || told.first > told.last) continue
    const group = groups.get(told.form) ?? { form: told.form, members: [] }
    groups.set(told.form, group)
    group.members.push({ name, ...told })
  }
  for (const { members } of groups.values()) members.sort(byEntries)
  return [...groups.values()]
}

/** At least every second one begins right where the one before it ended, and none overlap: numbers of another meaning do not. */
function isCounting({ members }: Group): boolean {
  const [one] = members
  if (one?.counts === 'hexadecimal') {
    if (!members.some(({ digits }) => /[a-f]/i.test(digits)) || members.some(({ digits }) => digits.length !== one.digits.length))
      return false
  }
  // Days follow upon each other but for the ends of months.
  if (members.every(({ digits }) => isDay(digits))) return false
  const steps = members.slice(1).map(({ first }, index) => first - (members[index]?.last ?? 0))
  return steps.length > 0 && steps.every((step) => step > 0) && 2 * steps.filter((step) => step === 1).length >= steps.length
}

function isDay(digits: string): boolean {
  const [, year, month, day] = /^((?:19|20)\d\d)(\d\d)(\d\d)$/.exec(digits) ?? []
  return year !== undefined && !Number.isNaN(Date.parse(`${year}-${month}-${day}`))
}

function seriesOf({ form, members }: Group): Series {
  const [one, last] = [members[0], members.at(-1)]
  const counts = one?.counts ?? 'entries'
  const gaps = gapsIn(members).map(({ from, to }: Gap) => ({
    from: nameOf(from, members),
    to: nameOf(to, members),
    missing: to - from + 1,
  }))
  return { form, counts, files: members.length, first: one?.name ?? '', last: last?.name ?? '', gaps }
}

/** As its neighbours are written. */
function nameOf(number: number, members: Group['members']): string {
  const before = members.findLast(({ last }) => last < number)
  if (!before || before.counts === 'entries') return String(number)
  const written = number.toString(before.counts === 'decimal' ? 10 : 16).padStart(before.digits.length, '0')
  return before.prefix + (members.some(({ digits }) => /[A-F]/.test(digits)) ? written.toUpperCase() : written) + before.suffix
}

function byExpression(names: string): (name: string) => Told | undefined {
  const expression = new RegExp(names)
  return (name) => {
    const entries = entriesOf(expression, name)
    return entries && { ...entries, counts: 'entries', form: names, prefix: '', digits: '', suffix: '' }
  }
}

/** Trailing extensions, which may have digits in them: `.wal.lz4`. */
const EXTENSIONS = /(?:\.[A-Za-z][A-Za-z0-9]*)*$/
const RANGE = /^(\D*|.*\D)(\d+)([-_])(\d+)$/
const DECIMAL = /^(|.*\D)(\d+)$/
const HEX = /^(|.*[^0-9a-fA-F])([0-9a-f]{4,}|[0-9A-F]{4,})$/

function split(name: string): [stem: string, suffix: string] {
  const [suffix = ''] = EXTENSIONS.exec(name) ?? []
  return [name.slice(0, name.length - suffix.length), suffix]
}

function byRange(name: string): Told | undefined {
  const [stem, suffix] = split(name)
  const [, prefix = '', first, between = '', last] = RANGE.exec(stem) ?? []
  if (first === undefined || last === undefined) return undefined
  const form = `${prefix}*${between}*${suffix}`
  return { first: Number(first), last: Number(last), counts: 'entries', form, prefix, digits: '', suffix }
}

const byCounter =
  (counts: 'decimal' | 'hexadecimal', expression: RegExp) =>
  (name: string): Told | undefined => {
    const [stem, suffix] = split(name)
    const [, prefix = '', digits] = expression.exec(stem) ?? []
    if (digits === undefined) return undefined
    const value = Number.parseInt(digits, counts === 'decimal' ? 10 : 16)
    return { first: value, last: value, counts, form: `${prefix}*${suffix}`, prefix, digits, suffix }
  }
