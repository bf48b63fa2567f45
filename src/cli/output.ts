/** What a command says: one JSON document with --json, a live line in a terminal, plain lines in a pipe. */
import { ApplicationFailure, WorkflowFailedError } from '@temporalio/client'
import { ERRORS, EXIT, type ErrorCode, HoldfastError, messageOf } from '../core/errors.ts'

export interface Output {
  /** The result: JSON as it is, or the lines made of it. */
  result(value: unknown, lines: (string | undefined)[]): void
  /** Progress; silent with --json. Replaces itself in a terminal. */
  progress(line: string): void
  /** A line of its own on stderr, progress or not. */
  note(line: string): void
}

export function createOutput(json: boolean, streams: { out: NodeJS.WriteStream; err: NodeJS.WriteStream } = { out: process.stdout, err: process.stderr }): Output {
  const live = streams.err.isTTY
  let last = ''
  const clear = () => {
    if (live && last) streams.err.write('\r\x1b[K')
    last = ''
  }
  return {
    result(value, lines) {
      clear()
      streams.out.write(json ? `${JSON.stringify(value, null, 2)}\n` : `${lines.filter((line) => line !== undefined).join('\n')}\n`)
    },
    progress(line) {
      if (json || line === last) return
      if (live) streams.err.write(`\r\x1b[K${line.slice(0, (streams.err.columns || 120) - 1)}`)
      else streams.err.write(`${line}\n`)
      last = line
    },
    note(line) {
      clear()
      streams.err.write(`${line}\n`)
    },
  }
}

export interface Failure { code: string; message: string; next: string; object?: string; exitCode: number }

/** Any error as what the user sees: code, message, next step, exit code. */
export function failureOf(error: unknown): Failure {
  let at: unknown = error
  if (at instanceof WorkflowFailedError && at.cause) at = at.cause
  while (at instanceof Error && !(at instanceof ApplicationFailure) && !(at instanceof HoldfastError) && at.cause instanceof Error) at = at.cause
  if (at instanceof HoldfastError) return { code: at.code, message: at.message, next: at.next, exitCode: ERRORS[at.code].exitCode, ...(at.object !== undefined && { object: at.object }) }
  if (at instanceof ApplicationFailure && at.type && at.type in ERRORS) {
    const [about] = (at.details ?? []) as { object?: string; next?: string }[]
    const entry = ERRORS[at.type as ErrorCode]
    const message = at.message.replace(/\. Next: .*$/s, '')
    return { code: at.type, message, next: about?.next ?? entry.next, exitCode: entry.exitCode, ...(about?.object !== undefined && { object: about.object }) }
  }
  if (at instanceof Error && at.name === 'CancelledFailure') return { code: 'CANCELLED', message: 'the run was cancelled', next: ERRORS.CANCELLED.next, exitCode: EXIT.cancelled }
  return { code: 'UNEXPECTED', message: messageOf(at), next: 'look at the run in the Temporal UI', exitCode: EXIT.failed }
}

export const bytes = (count: number): string => {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = count < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(count) / 3))
  return `${(count / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`
}

/** Rows under a heading, in columns as wide as they need. */
export function columns(rows: string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd())
}
