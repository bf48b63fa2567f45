/** How large the parts of an upload are, and how many of them may be in flight so that memory stays flat. */

const MIB = 1024 * 1024
const FIRST = 8 * MIB
/** What the parts in flight may hold together; a part larger than this travels alone. */
const IN_FLIGHT = 64 * MIB
const MOST = 4

/** Bytes of the part with this number (from 1): they grow, so that 10,000 parts hold more than 0.8 TiB. */
export function partBytes(number: number, least = 0, first = FIRST): number {
  return Math.max(least, first * (1 + Math.floor((number - 1) / 500)))
}

/** How many parts of that size may be in flight at once. */
export function partsInFlight(bytes: number): number {
  return Math.max(1, Math.min(MOST, Math.floor(IN_FLIGHT / bytes)))
}
