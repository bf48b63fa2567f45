/** Arithmetic of PostgreSQL's WAL: positions, segment names, timelines and their forks. Pure; numbers only. */
import { HoldfastError } from './errors.ts'

export const DEFAULT_SEGMENT_BYTES = 16 * 1024 * 1024
const XLOG_ID_BYTES = 0x1_0000_0000

/** `16/B374D848` as a number of bytes. Throws INPUT_INVALID. */
export function parseLsn(text: string): bigint {
  const found = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text)
  if (!found) throw new HoldfastError('INPUT_INVALID', `"${text}" is not a WAL position`, { object: text, next: 'write it as 16/B374D848' })
  return (BigInt(`0x${found[1]}`) << 32n) | BigInt(`0x${found[2]}`)
}

export function formatLsn(lsn: bigint): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffff_ffffn).toString(16).toUpperCase()}`
}

/** One segment: its place in its timeline. The number grows by one from segment to segment, over all bounds of names. */
export interface Segment {
  timeline: number
  number: number
}

const hex8 = (value: number) => value.toString(16).toUpperCase().padStart(8, '0')

/** The file name that PostgreSQL gives the segment. */
export function segmentName({ timeline, number }: Segment, segmentBytes = DEFAULT_SEGMENT_BYTES): string {
  const perId = XLOG_ID_BYTES / segmentBytes
  return hex8(timeline) + hex8(Math.floor(number / perId)) + hex8(number % perId)
}

/** The segment of a file name, or undefined where it is none: history, backup and partial files. */
export function parseSegmentName(name: string, segmentBytes = DEFAULT_SEGMENT_BYTES): Segment | undefined {
  if (!/^[0-9A-F]{24}$/.test(name)) return undefined
  const [timeline, id, rest] = [0, 8, 16].map((at) => Number.parseInt(name.slice(at, at + 8), 16)) as [number, number, number]
  const perId = XLOG_ID_BYTES / segmentBytes
  return rest < perId ? { timeline, number: id * perId + rest } : undefined
}

/** The number of the segment that holds the byte at this position. */
export function segmentOf(lsn: bigint, segmentBytes = DEFAULT_SEGMENT_BYTES): number {
  return Number(lsn / BigInt(segmentBytes))
}

/** The number of the segment that holds the last byte before this position: where a record that ends here stands. */
export function segmentBefore(lsn: bigint, segmentBytes = DEFAULT_SEGMENT_BYTES): number {
  return lsn === 0n ? 0 : segmentOf(lsn - 1n, segmentBytes)
}

/** The first position after the segment. */
export function segmentEnd(number: number, segmentBytes = DEFAULT_SEGMENT_BYTES): bigint {
  return BigInt(number + 1) * BigInt(segmentBytes)
}

/** Where a timeline left its parent: an ancestor and the position up to which it holds. */
export interface Fork {
  timeline: number
  lsn: string
}

/** The lines of a history file, oldest ancestor first. */
export function parseHistory(text: string): Fork[] {
  return text.split('\n').flatMap((line) => {
    const found = /^\s*(\d+)\s+([0-9A-Fa-f]+\/[0-9A-Fa-f]+)/.exec(line)
    return found ? [{ timeline: Number(found[1]), lsn: formatLsn(parseLsn(found[2] as string)) }] : []
  })
}

/** What an archive holds. Plain data. */
export interface Archive {
  segmentBytes: number
  /** Whole segments only, in any order. */
  segments: { wal: string; storedAt: string; bytes?: number }[]
  /** Timeline to its ancestors. Timeline 1 has none. */
  histories: Record<number, Fork[]>
}

/** A stretch of a timeline's way: which timeline covers which segments. `to` is the last one, Infinity on the timeline itself. */
export interface Stretch {
  timeline: number
  from: number
  to: number
}

/** The way from the first timeline to this one: at a fork the child holds the segment of the fork, with its parent's bytes before it. */
export function wayOf(timeline: number, archive: Pick<Archive, 'histories' | 'segmentBytes'>): Stretch[] {
  let from = 0
  const way: Stretch[] = []
  for (const fork of archive.histories[timeline] ?? []) {
    const forkSegment = segmentOf(parseLsn(fork.lsn), archive.segmentBytes)
    if (forkSegment > from) way.push({ timeline: fork.timeline, from, to: forkSegment - 1 })
    from = Math.max(from, forkSegment)
  }
  return [...way, { timeline, from, to: Number.POSITIVE_INFINITY }]
}

/** Segments without a hole between them, on the way to one timeline. */
export interface Run {
  first: Segment
  last: Segment
  lastStoredAt: string
}

/** The unbroken runs on the way to the timeline, oldest first: between two of them segments are missing. */
export function runsOf(timeline: number, archive: Archive): Run[] {
  const way = wayOf(timeline, archive)
  const held = new Map<number, { segment: Segment; storedAt: string }>()
  for (const { wal, storedAt } of archive.segments) {
    const segment = parseSegmentName(wal, archive.segmentBytes)
    if (!segment || !way.some((s) => s.timeline === segment.timeline && s.from <= segment.number && segment.number <= s.to)) continue
    held.set(segment.number, { segment, storedAt })
  }
  const runs: Run[] = []
  for (const number of [...held.keys()].sort((a, b) => a - b)) {
    const { segment, storedAt } = held.get(number) as { segment: Segment; storedAt: string }
    const open = runs.at(-1)
    if (open && open.last.number === number - 1) Object.assign(open, { last: segment, lastStoredAt: storedAt })
    else runs.push({ first: segment, last: segment, lastStoredAt: storedAt })
  }
  return runs
}

/** The last of the timeline that was stored; undefined where there is none. */
export function newestSegment({ segments }: Pick<Archive, 'segments'>, timeline: number): string | undefined {
  const names = segments.map(({ wal }) => wal).filter((wal) => Number.parseInt(wal.slice(0, 8), 16) === timeline)
  return names.sort().at(-1)
}

/** The timelines that end somewhere of their own: one whose every segment is on the way to a child is part of the child. */
export function branchesOf(archive: Archive): number[] {
  const lastOf = new Map<number, number>()
  for (const { wal } of archive.segments) {
    const segment = parseSegmentName(wal, archive.segmentBytes)
    if (segment) lastOf.set(segment.timeline, Math.max(segment.number, lastOf.get(segment.timeline) ?? -1))
  }
  const timelines = [...lastOf.keys()].sort((a, b) => a - b)
  const covers = (child: number, parent: number) =>
    child !== parent && wayOf(child, archive).some((stretch) => stretch.timeline === parent && (lastOf.get(parent) ?? -1) <= stretch.to)
  return timelines.filter((parent) => !timelines.some((child) => covers(child, parent)))
}

/** The position where the histories of two timelines part; undefined where they share nothing. */
export function divergence(a: number, b: number, histories: Archive['histories']): bigint | undefined {
  const wayTo = (timeline: number) => [...(histories[timeline] ?? []), { timeline, lsn: undefined }]
  const [left, right] = [wayTo(a), wayTo(b)]
  let index = 0
  while (left[index + 1] && left[index + 1]?.timeline === right[index + 1]?.timeline) index += 1
  if (left[index]?.timeline !== right[index]?.timeline) return undefined
  // Both were on this timeline; the one that left it first is where they part.
  const ends = [left[index]?.lsn, right[index]?.lsn].filter((lsn) => lsn !== undefined).map(parseLsn)
  return ends.sort((one, other) => (one < other ? -1 : 1))[0]
}

/** The timeline that holds a position on the way to another. */
export function timelineAt(lsn: string, timeline: number, histories: Archive['histories']): number {
  return (histories[timeline] ?? []).find((fork) => parseLsn(lsn) <= parseLsn(fork.lsn))?.timeline ?? timeline
}
