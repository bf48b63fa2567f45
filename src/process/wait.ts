/** Waiting for a condition instead of sleeping. */
import { setTimeout as delay } from 'node:timers/promises'
import { HoldfastError } from '../core/errors.ts'

export interface UntilOptions {
  timeoutMs: number
  /** Pause between two looks; 50 ms by default. */
  everyMs?: number
  /** Ends the sentence "waited 5 s for …". */
  what: string
  signal?: AbortSignal
}

/**
 * Looks until the check gives something other than undefined or false, and returns that. An error of the check ends
 * the wait: a check that may fail at first catches it. A check that hangs does not outlast the time.
 */
export async function until<T>(check: () => Promise<T | undefined | false> | T | undefined | false, options: UntilOptions): Promise<T> {
  const ended = new AbortController()
  const late = expiry(options, ended.signal)
  try {
    for (;;) {
      if (options.signal?.aborted) await late
      const found = await Promise.race([check(), late])
      if (found !== undefined && found !== false) return found
      await Promise.race([delay(options.everyMs ?? 50, undefined, { signal: ended.signal }), late])
    }
  } finally {
    ended.abort()
    // The loser of a race rejects once it is aborted; nobody listens to it any more.
    late.catch(() => {})
  }
}

function expiry({ timeoutMs, what, signal }: UntilOptions, ended: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const timer = setTimeout(
      () => reject(new HoldfastError('PROCESS_TIMEOUT', `waited ${timeoutMs / 1000} s for ${what}`, { object: what })),
      timeoutMs,
    )
    const cancel = () =>
      reject(new HoldfastError('CANCELLED', `cancelled while waiting for ${what}`, { object: what, cause: signal?.reason }))
    if (signal?.aborted) cancel()
    signal?.addEventListener('abort', cancel, { once: true })
    ended.addEventListener('abort', () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', cancel)
    })
  })
}
