/** What every part of the benchmarks is given. */
import type { Row } from './rows.ts'

export interface Bench {
  /** Of the run, removed at its end; reachable for the user of the database programs. */
  dir: string
  signal: AbortSignal
  say(line: string): void
  /** Ends in reverse order when the part's group has ended, or at Ctrl-C. */
  cleanup: { add(what: () => Promise<void>): void }
  /** Bytes of the database. */
  size: number
  /** Bytes of the long stream. */
  stream: number
  rounds: number
  cores: number
  add(row: Row): void
}

/** A promise that nobody can stop, given up at Ctrl-C: what it waits for is ended by the cleanup. */
export function orStopped<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  promise.catch(() => {})
  return Promise.race([
    promise,
    new Promise<never>((_, reject) => {
      if (signal.aborted) reject(signal.reason)
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    }),
  ])
}
