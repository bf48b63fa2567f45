/** What a command says: one JSON document with --json, a live line in a terminal, plain lines in a pipe. */
import type { Failure } from './failure.ts'

export interface Output {
  readonly json: boolean
  /** Somebody looks: a line may be replaced by the next. */
  readonly live: boolean
  /** The answer, on stdout, once: the document, or the lines made of it. */
  result(value: unknown, lines: readonly (string | undefined)[]): void
  /** What goes on now. Replaces itself in a terminal; a line of its own in a pipe, each only once. */
  progress(line: string): void
  /** What has happened and stays so; each only once. */
  settled(line: string): void
  /** A line of its own. Like all progress it is on stderr, and left out with --json. */
  note(line: string): void
  failure(failure: Failure): void
}

export interface Streams {
  out: Pick<NodeJS.WriteStream, 'write'>
  err: Pick<NodeJS.WriteStream, 'write' | 'isTTY' | 'columns'>
}

export function createOutput(json: boolean, streams: Streams = { out: process.stdout, err: process.stderr }): Output {
  const { out, err } = streams
  const live = Boolean(err.isTTY) && !json
  const said = new Set<string>()
  let shown = ''
  const clear = () => {
    if (shown) err.write('\r\x1b[K')
    shown = ''
  }
  const line = (text: string) => {
    clear()
    err.write(`${text}\n`)
  }
  const once = (text: string) => {
    if (json || said.has(text)) return
    said.add(text)
    line(text)
  }
  return {
    json,
    live,
    result(value, lines) {
      clear()
      const text = lines.filter((each) => each !== undefined).join('\n')
      if (json) out.write(`${JSON.stringify(value ?? null, null, 2)}\n`)
      else if (text) out.write(`${text}\n`)
    },
    progress(text) {
      if (!live) return once(text)
      if (text === shown) return
      // A line that wraps could not be replaced.
      const fitting = text.replaceAll(/\s+/g, ' ').slice(0, Math.max(20, (err.columns || 120) - 1))
      err.write(`\r\x1b[K${fitting}`)
      shown = text
    },
    settled: once,
    note(text) {
      if (!json) line(text)
    },
    failure(failure) {
      clear()
      err.write(json ? `${JSON.stringify({ error: failure })}\n` : `${failure.code}: ${failure.message}\nnext: ${failure.next}\n`)
    },
  }
}

export const bytes = (count: number): string => {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = count < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(count) / 3))
  return `${(count / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`
}

/** Rows under a heading, in columns as wide as they need. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
