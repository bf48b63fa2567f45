/** What was at the source against what came back: one assertion each, so that a red proof names what is not equal. */
import type { Assertion, Content } from '../../core/records.ts'

export interface CompareOptions {
  /** `replayed`: a recovery from the write-ahead log may leave a sequence up to 32 values ahead, and never behind. */
  sequences: 'equal' | 'replayed'
  /** `counts` compares row counts only. */
  depth?: 'counts' | 'digests'
}

/** What a sequence reserves in the write-ahead log at once. */
const AHEAD = 32n

export function compareContent(expected: Content, actual: Content, options: CompareOptions): Assertion[] {
  const depth = options.depth ?? 'digests'
  const table = (content: Content['tables'][string] | undefined) =>
    content === undefined ? 'missing' : depth === 'counts' ? `${content.rows} rows` : `${content.rows} rows, digest ${content.digest}`
  const assertions = Object.entries(expected.tables).map(([name, content]) =>
    equal(`table ${name}`, table(content), table(actual.tables[name])),
  )
  const extra = Object.keys(actual.tables).filter((name) => !expected.tables[name])
  assertions.push(equal('no other tables', 'none', extra.length === 0 ? 'none' : extra.slice(0, 20).join(', ')))
  for (const [name, sequence] of Object.entries(expected.sequences))
    assertions.push(sequenceAssertion(name, sequence, actual.sequences[name], options.sequences))
  const objects = ({ count, digest }: Content['largeObjects']) =>
    depth === 'counts' || digest === '' ? `${count} objects` : `${count} objects, digest ${digest}`
  assertions.push(equal('large objects', objects(expected.largeObjects), objects(actual.largeObjects)))
  if (expected.schema !== '' && actual.schema !== '') assertions.push(equal('definitions', expected.schema, actual.schema))
  return assertions
}

/** True where every assertion holds. */
export function allHold(assertions: readonly Assertion[]): boolean {
  return assertions.every(({ ok }) => ok)
}

function equal(name: string, expected: string, actual: string): Assertion {
  return { name, ok: expected === actual, expected, actual }
}

type Sequence = Content['sequences'][string]

function sequenceAssertion(name: string, expected: Sequence, actual: Sequence | undefined, mode: CompareOptions['sequences']): Assertion {
  const from = BigInt(expected.value)
  const to = BigInt(expected.until ?? expected.value) + (mode === 'replayed' ? AHEAD * BigInt(expected.increment) : 0n)
  const [least, most] = from <= to ? [from, to] : [to, from]
  const value = actual === undefined ? undefined : BigInt(actual.value)
  const ok = value !== undefined && value >= least && value <= most && actual?.increment === expected.increment
  const words = least === most ? `next ${least}` : `next ${least} to ${most}`
  const by = (sequence: Sequence) => (sequence.increment === '1' ? '' : ` by ${sequence.increment}`)
  return {
    name: `sequence ${name}`,
    ok,
    expected: `${words}${by(expected)}`,
    actual: actual === undefined ? 'missing' : `next ${actual.value}${by(actual)}`,
  }
}
