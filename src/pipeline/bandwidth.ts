/** A limit on bytes per second that all uploads through it share. */
import { setTimeout as delay } from 'node:timers/promises'

export interface Bandwidth {
  /** Resolves when the bytes may be sent. */
  take(bytes: number, signal?: AbortSignal): Promise<void>
}

/** Each taker waits until what was taken before it has had its time: an even flow without a burst after a pause. */
export function createBandwidth(bytesPerSecond: number, now: () => number = () => performance.now()): Bandwidth {
  let free = 0
  return {
    async take(bytes, signal) {
      const start = Math.max(free, now())
      free = start + (bytes / bytesPerSecond) * 1000
      const wait = start - now()
      if (wait > 0) await delay(wait, undefined, signal ? { signal } : {})
    },
  }
}
