/** Positions in the write-ahead log as PostgreSQL prints them (`1/6B374D80`), and the names of the files that hold them. */
import { HoldfastError } from '../../core/errors.ts'

/** The position as a number. Throws INPUT_INVALID for anything else. */
export function parseLsn(lsn: string): bigint {
  const [, high, low] = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(lsn) ?? []
  if (high === undefined || low === undefined)
    throw new HoldfastError('INPUT_INVALID', `"${lsn}" is no WAL position, like 1/6B374D80`, { object: lsn })
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`)
}

export function formatLsn(position: bigint): string {
  return `${(position >> 32n).toString(16)}/${(position & 0xffffffffn).toString(16)}`.toUpperCase()
}

/** Name of the segment file that holds a position. */
export function segmentName(timeline: number, position: bigint, segmentBytes: number): string {
  const perId = 0x100000000n / BigInt(segmentBytes)
  const number = position / BigInt(segmentBytes)
  const hex = (value: bigint | number) => value.toString(16).toUpperCase().padStart(8, '0')
  return `${hex(timeline)}${hex(number / perId)}${hex(number % perId)}`
}

/** Where the segment that holds a position begins. */
export function segmentStart(position: bigint, segmentBytes: number): bigint {
  return position - (position % BigInt(segmentBytes))
}

/** Name of the file that says where a timeline came from. */
export function historyName(timeline: number): string {
  return `${timeline.toString(16).toUpperCase().padStart(8, '0')}.history`
}

/**
 * Where a later timeline left `timeline`, from the text of the later one's history file; undefined where it never was
 * on that timeline. What `timeline` holds from there on is on no later one.
 */
export function forkPoint(history: string, timeline: number): string | undefined {
  return ancestors(history).find((one) => one.timeline === timeline)?.lsn
}

/** The timeline that the history's own one left, and where; undefined for a first timeline, which has no history. */
export function parentOf(history: string): { timeline: number; lsn: string } | undefined {
  return ancestors(history).at(-1)
}

function ancestors(history: string): { timeline: number; lsn: string }[] {
  return history.split('\n').flatMap((line) => {
    const [, timeline, lsn] = /^\s*(\d+)\s+([0-9A-Fa-f]+\/[0-9A-Fa-f]+)/.exec(line) ?? []
    return timeline && lsn ? [{ timeline: Number(timeline), lsn: lsn.toUpperCase() }] : []
  })
}

/** Transaction ids go round: true where `a` was given out before `b`. */
export function xidPrecedes(a: number, b: number): boolean {
  return ((a - b) | 0) < 0
}
