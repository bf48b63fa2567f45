/**
 * What a part holds, made into one transaction of psql. Of the part only rows and where sequences stand are taken, and
 * only for tables that are expected: whatever else a script could say is never run.
 */
import type { Readable } from 'node:stream'
import { HoldfastError } from '../../core/errors.ts'

export interface Rows {
  /** The table that the rows go into: the part's own, or a temporary one. */
  into(table: string): string
  /** What has to be there first. */
  before(table: string): string
  /** What follows on the rows of a table, which came with these columns. */
  after(table: string, columns: string): string
  /** How a sequence is set at the end. */
  sequence(name: string, value: string, called: string): string
}

const COPY = /^COPY (\S+|".*") (?:(\(.*\)) )?FROM stdin;$/
const SEQUENCE = /^SELECT pg_catalog\.setval\('((?:[^']|'')+)', (-?\d+), (true|false)\);$/
const ENCODING = /^SET client_encoding = '[A-Za-z0-9_]+';$/
const NEWLINE = 10

/** The statements of a part, in its order; those about sequences, which no rollback undoes, come last. */
export async function* rowsOf(part: Readable, expected: ReadonlySet<string>, rows: Rows): AsyncGenerator<string | Buffer> {
  const sequences: string[] = []
  let copying: { table: string; columns: string } | undefined
  for await (const line of linesOf(part)) {
    if (copying) {
      yield line
      if (line.equals(END)) {
        yield `${rows.after(copying.table, copying.columns)}\n`
        copying = undefined
      }
      continue
    }
    const text = line.toString('utf8').trimEnd()
    if (ENCODING.test(text)) yield `${text}\n`
    const [, table, columns = ''] = COPY.exec(text) ?? []
    if (table !== undefined) {
      if (!expected.has(table))
        throw new HoldfastError('INTEGRITY', `the part holds rows of ${table}, which the point does not list there`, { object: table })
      yield `${rows.before(table)}\ncopy ${rows.into(table)} ${columns} from stdin;\n`
      copying = { table, columns }
    }
    const [, name, value, called] = SEQUENCE.exec(text) ?? []
    if (name !== undefined) sequences.push(rows.sequence(name, value ?? '', called ?? ''))
  }
  if (copying) throw new HoldfastError('INTEGRITY', `the part ends within the rows of ${copying.table}`, { object: copying.table })
  for (const statement of sequences) yield `${statement}\n`
}

const END = Buffer.from('\\.\n')

async function* linesOf(part: Readable): AsyncGenerator<Buffer> {
  let rest: Buffer[] = []
  for await (const chunk of part as AsyncIterable<Buffer>) {
    let from = 0
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      yield Buffer.concat([...rest, chunk.subarray(from, at + 1)])
      rest = []
      from = at + 1
    }
    if (from < chunk.length) rest.push(chunk.subarray(from))
  }
  if (rest.length > 0) yield Buffer.concat(rest)
}
