/** A limit on bytes per second that all uploads through it share. */
import { setTimeout as delay } from 'node:timers/promises'

export interface Bandwidth {
  /** Resolves when the bytes may be sent. */
  take(bytes: number, signal?: AbortSignal): Promise<void>
}

/**
 * Each taker waits until what was taken before it has had its time: an even flow without a burst after a pause. The limit
 * is asked anew for each taker; where there is none at that moment, nobody waits.
 */
export function createBandwidth(limit: number | (() => number | undefined), now: () => number = () => performance.now()): Bandwidth {
  const limitNow = typeof limit === 'number' ? () => limit : limit
  let free = 0
  return {
    async take(bytes, signal) {
      const bytesPerSecond = limitNow()
      if (bytesPerSecond === undefined) return
      const start = Math.max(free, now())
      free = start + (bytes / bytesPerSecond) * 1000
      const wait = start - now()
      if (wait > 0) await delay(wait, undefined, signal ? { signal } : {})
    },
  }
}
