/** Pairs as the failover code sees them. */
import type { Pair, PairSite } from '../../scripts/toolbox/pair.ts'
import type { Site } from '../../src/failover/database/site.ts'

export const siteOf = (pair: Pair, side: PairSite, change: Partial<Site> = {}): Site => ({
  ...side.config,
  name: side.name,
  database: pair.database,
  ...change,
})

/** A small generator of numbers from 0 to 1 that a seed repeats (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
