/** Values of a graph as Cypher: decoded from the compact answers of FalkorDB, written so that it reads them again. */
import { HoldfastError } from '../../core/errors.ts'

/** A value in a compact answer: the number of its type, and what that type has. */
export type Cell = readonly [type: string, value: unknown]

const NULL = '1'
const STRING = '2'
const MAP = '10'

export function literal([type, value]: Cell): string {
  const write = WRITERS[type]
  if (write) return write(value)
  throw new HoldfastError('SOURCE_UNFIT', `a graph has a value of type ${type}, which has no form in Cypher here`, {
    object: type,
    next: 'set graphs.export to false: the RDB holds it all the same',
  })
}

const WRITERS: Readonly<Record<string, (value: unknown) => string>> = {
  [NULL]: () => 'null',
  [STRING]: (value) => quoted(String(value)),
  '3': (value) => (value === '-9223372036854775808' ? '(-9223372036854775807 - 1)' : String(value)),
  '4': String,
  '5': (value) => double(String(value)),
  '6': (value) => `[${(value as Cell[]).map(literal).join(', ')}]`,
  [MAP]: (value) =>
    `{${fieldsOf(value)
      .map(([name, cell]) => `${named(name)}: ${literal(cell)}`)
      .join(', ')}}`,
  '11': (value) => {
    const [latitude, longitude] = (value as string[]).map((part) => double(String(part)))
    return `point({latitude: ${latitude}, longitude: ${longitude}})`
  },
  '12': (value) => `vecf32([${(value as string[]).map((part) => double(String(part))).join(', ')}])`,
  '13': (value) => `localdatetime({${dateFields(value)}, ${timeFields(value)}})`,
  '14': (value) => `date({${dateFields(value)}})`,
  '15': (value) => `localtime({${timeFields(value)}})`,
  '16': (value) => `duration({seconds: ${value}})`,
}

/** The fields of a map in an answer, by name. */
export function fieldsOf(value: unknown): [string, Cell][] {
  const flat = value as unknown[]
  return flat.flatMap((name, index) => (index % 2 === 0 ? [[String(name), flat[index + 1] as Cell] as [string, Cell]] : [])).sort(byName)
}

export const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : a > b ? 1 : 0)

/** A plain value of an answer, where only its text or its entries matter. */
export function plain([type, value]: Cell): unknown {
  if (type === '6') return (value as Cell[]).map(plain)
  return type === MAP ? Object.fromEntries(fieldsOf(value).map(([name, cell]) => [name, plain(cell)])) : type === NULL ? undefined : value
}

export const quoted = (text: string): string =>
  `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t')}'`

/** A label, a type or a property, whatever is in its name. */
export function named(name: string): string {
  if (!name.includes('`')) return `\`${name}\``
  throw new HoldfastError('SOURCE_UNFIT', `Cypher cannot write the name ${name}`, {
    object: name,
    next: 'rename it, or set graphs.export to false: the RDB holds it all the same',
  })
}

/** Never to be read as a whole number. */
function double(text: string): string {
  if (/nan/.test(text)) return '(0.0 / 0.0)'
  if (/inf/.test(text)) return text.startsWith('-') ? '(-1.0 / 0.0)' : '(1.0 / 0.0)'
  return /[.e]/.test(text) ? text : `${text}.0`
}

const dateFields = (seconds: unknown): string => {
  const at = new Date(Number(seconds) * 1000)
  return `year: ${at.getUTCFullYear()}, month: ${at.getUTCMonth() + 1}, day: ${at.getUTCDate()}`
}
const timeFields = (seconds: unknown): string => {
  const at = new Date(Number(seconds) * 1000)
  return `hour: ${at.getUTCHours()}, minute: ${at.getUTCMinutes()}, second: ${at.getUTCSeconds()}`
}
