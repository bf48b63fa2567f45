/** How often and how long something is tried again, and the error that says so at the end. */
import { setTimeout as delay } from 'node:timers/promises'
import { HoldfastError, messageOf } from '../core/errors.ts'

export interface TryOptions {
  /** Tries of one call, the first included; 6 by default. */
  attempts?: number
  /** Pause after the first failure, doubled after each; 200 ms by default, up to half of it left to chance. */
  firstPauseMs?: number
  maxPauseMs?: number
}

/** The failures of one call, or of one stream since it last made progress. */
export interface Tries {
  /** Waits before the next try; throws where there is none: not worth one, or too many already. */
  failed(error: unknown): Promise<void>
  progressed(): void
}

export type BeginTries = (what: string, signal?: AbortSignal) => Tries

export function createTries(store: string, { attempts = 6, firstPauseMs = 200, maxPauseMs = 10_000 }: TryOptions = {}): BeginTries {
  return (what, signal) => {
    let failures: string[] = []
    let since = performance.now()
    return {
      async failed(error) {
        if (!isPassing(error)) throw error
        failures.push(messageOf(error))
        if (failures.length >= attempts) throw exhausted(store, what, error, failures, performance.now() - since)
        const pause = Math.min(firstPauseMs * 2 ** (failures.length - 1), maxPauseMs)
        await delay(pause * (1 - Math.random() / 2), undefined, { signal })
      },
      progressed() {
        if (failures.length === 0) return
        failures = []
        since = performance.now()
      },
    }
  }
}

/** Only a store out of reach is tried again here: whatever else may help, like a new upload, is the caller's to do. */
function isPassing(error: unknown): error is HoldfastError {
  return error instanceof HoldfastError && error.code === 'STORE_UNREACHABLE' && error.retryable
}

function exhausted(store: string, what: string, last: HoldfastError, failures: string[], elapsedMs: number): HoldfastError {
  const seconds = Math.max(1, Math.round(elapsedMs / 1000))
  return new HoldfastError(
    last.code,
    `${store}: gave up to ${what} after ${failures.length} tries in ${seconds} s; the last: ${messageOf(last)}`,
    {
      object: last.object,
      next: last.next,
      cause: last,
      details: { tries: failures },
    },
  )
}
