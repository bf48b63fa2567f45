/** Which base and which timeline lead to a point in time, and what can be reached at all. Pure. */
import { HoldfastError } from './errors.ts'
import {
  type Archive,
  branchesOf,
  divergence,
  formatLsn,
  parseLsn,
  parseSegmentName,
  type Run,
  runsOf,
  type Segment,
  segmentEnd,
  segmentName,
  segmentOf,
  wayOf,
} from './wal.ts'

/** One moment or position; drivers know it as TargetMoment. */
export interface TargetMoment {
  time?: string
  lsn?: string
  xid?: string
  name?: string
  latest?: boolean
  timeline?: number
}

/** A backup to replay from, as far as planning needs it. */
export interface PitrBase {
  label: string
  timeline: number
  systemId: string
  walStart: string
  walStop: string
  lsnStop: string
  /** Whole seconds, as engines keep it: the backup may have ended up to a second later. */
  stoppedAt: string
  /** The first transaction number that was not yet given when the backup had ended. */
  nextXid?: string
  /** The restore point that was written after it, where there is one. */
  restorePoint?: { name: string; lsn: string }
}

export interface Window {
  timeline: number
  from: { lsn: string; time: string; label: string }
  to: { lsn: string; time: string; wal: string }
  /** Nothing but the backup itself: the WAL after it has expired. */
  alone?: true
}
export interface Gap {
  timeline: number
  afterWal: string
  beforeWal: string
  missing: number
  /** Taken away by retention, and no loss: from here to the next backup no moment was to stay recoverable. */
  expired?: true
}
export interface Windows {
  windows: Window[]
  gaps: Gap[]
}

export interface PitrChoice {
  label: string
  timeline: number
  base: PitrBase
  window: Window
}

/** Engines and stores keep whole seconds: a moment of theirs may be up to this much later. */
const WHOLE_SECOND_MS = 1000

interface Branch {
  timeline: number
  base: PitrBase
  window: Window
}

/** What can be recovered: from the first backup of each unbroken run to its end; and the holes after the oldest backup. */
export function windowsOf(archive: Archive, bases: readonly PitrBase[]): Windows {
  const timelines = [...new Set(archive.segments.flatMap(({ wal }) => parseSegmentName(wal, archive.segmentBytes)?.timeline ?? []))].sort(
    (a, b) => a - b,
  )
  const windows: Window[] = []
  const gaps: Gap[] = []
  for (const timeline of timelines) {
    const runs = runsOf(timeline, archive)
    const own = wayOf(timeline, archive).at(-1)?.from ?? 0
    const oldest = Math.min(...bases.filter((base) => onWay(base, timeline, archive)).map((base) => segmentNumber(base.walStart, archive)))
    for (const [index, run] of runs.entries()) {
      const first = basesIn(run, timeline, archive, bases)[0]
      const after = runs[index + 1]
      const expired = after !== undefined && hasExpired(run, after, archive, bases)
      if (first && run.last.number >= own) windows.push({ ...windowOf(timeline, run, first, archive), ...(expired && { alone: expired }) })
      if (!after || after.first.number < own || after.first.number < oldest) continue
      gaps.push({
        timeline,
        missing: after.first.number - run.last.number - 1,
        afterWal: segmentName(run.last, archive.segmentBytes),
        beforeWal: segmentName(after.first, archive.segmentBytes),
        ...(expired && { expired }),
      })
    }
  }
  return { windows, gaps }
}

/**
 * The backup to begin with and the timeline to follow: the newest backup that stopped before the target on a way with
 * all its WAL. Throws TARGET_OUT_OF_RANGE with the first and last moment, TARGET_AMBIGUOUS where branches differ there.
 */
export function choosePitrBase(
  all: readonly PitrBase[],
  target: TargetMoment,
  archive: Archive,
  options: { systemId?: string } = {},
): PitrChoice {
  const goal = goalOf(target)
  const bases = ofSystem(all, options.systemId)
  const timelines = target.timeline === undefined ? branchesOf(archive) : [target.timeline]
  const reach = timelines.flatMap((timeline) => branchesTo(goal, timeline, archive, bases))
  const [only, ...others] = withoutShared(reach, goal, archive)
  if (!only) throw outOfRange(target, windowsOf(archive, bases), archive, timelines)
  if (others.length > 0) throw ambiguous(target, [only, ...others])
  return { label: only.base.label, timeline: only.timeline, base: only.base, window: only.window }
}

/** What the target says, read once: times only with an offset. */
type Goal =
  | { kind: 'time'; at: number }
  | { kind: 'lsn'; lsn: bigint }
  | { kind: 'xid'; xid: bigint }
  | { kind: 'name'; name: string }
  | { kind: 'latest' }

export function goalOf(target: TargetMoment): Goal {
  const named = (['time', 'lsn', 'xid', 'name'] as const).filter((key) => target[key] !== undefined)
  if (named.length + (target.latest ? 1 : 0) !== 1) throw badTarget('a target names exactly one of time, lsn, xid, name, latest')
  if (target.time !== undefined) {
    const at = Date.parse(target.time)
    if (!/T.*(Z|[+-]\d\d:?\d\d)$/.test(target.time) || Number.isNaN(at))
      throw badTarget(`the time "${target.time}" has no offset or is none`)
    return { kind: 'time', at }
  }
  if (target.lsn !== undefined) return { kind: 'lsn', lsn: parseLsn(target.lsn) }
  if (target.xid !== undefined) {
    if (!/^\d{1,20}$/.test(target.xid)) throw badTarget(`"${target.xid}" is no transaction number`)
    return { kind: 'xid', xid: BigInt(target.xid) }
  }
  if (target.name !== undefined) return { kind: 'name', name: target.name }
  return { kind: 'latest' }
}

/** The newest usable base on the timeline, if the goal can be reached on it. */
function branchesTo(goal: Goal, timeline: number, archive: Archive, bases: readonly PitrBase[]): Branch[] {
  const runs = runsOf(timeline, archive)
    .map((run) => ({ run, usable: basesIn(run, timeline, archive, bases) }))
    .filter(({ usable }) => usable.length > 0)
  const end = runsOf(timeline, archive).at(-1)?.last.number
  const branch = ({ run, usable }: (typeof runs)[number], base: PitrBase): Branch[] => [
    { timeline, base, window: windowOf(timeline, run, usable[0] as PitrBase, archive) },
  ]
  for (const candidate of runs.toReversed()) {
    const base = baseFor(goal, candidate.usable, candidate.run, candidate.run.last.number === end, archive)
    if (base) return branch(candidate, base)
  }
  // Where a transaction or a name of others stands is not known: the oldest base of the newest run surely sees most of it.
  const newest = runs.at(-1)
  return newest && (goal.kind === 'xid' || goal.kind === 'name') ? branch(newest, newest.usable[0] as PitrBase) : []
}

function baseFor(goal: Goal, usable: PitrBase[], run: Run, lastRun: boolean, archive: Archive): PitrBase | undefined {
  const newest = (fits: (base: PitrBase) => boolean) => usable.findLast(fits)
  switch (goal.kind) {
    case 'time':
      return goal.at < Date.parse(run.lastStoredAt) + WHOLE_SECOND_MS
        ? newest((base) => Date.parse(base.stoppedAt) + WHOLE_SECOND_MS <= goal.at)
        : undefined
    case 'lsn':
      return goal.lsn <= segmentEnd(run.last.number, archive.segmentBytes)
        ? newest((base) => parseLsn(base.lsnStop) <= goal.lsn)
        : undefined
    // Beyond a gap there is no latest: replay would end at the gap and call it the end.
    case 'latest':
      return lastRun ? usable.at(-1) : undefined
    // Only a base that ended before the number was given is surely before its commit.
    case 'xid':
      return newest((base) => base.nextXid !== undefined && BigInt(base.nextXid) <= goal.xid)
    case 'name':
      return newest((base) => base.restorePoint?.name === goal.name)
  }
}

/** Of branches that are still one at the goal, only the first: the state there is the same. */
function withoutShared(reach: Branch[], goal: Goal, archive: Archive): Branch[] {
  return reach.filter((branch, index) => !reach.slice(0, index).some((earlier) => beforeParting(goal, earlier, branch, archive)))
}

function beforeParting(goal: Goal, one: Branch, other: Branch, archive: Archive): boolean {
  const parted = divergence(one.timeline, other.timeline, archive.histories)
  if (parted === undefined) return false
  if (goal.kind === 'lsn') return goal.lsn <= parted
  if (goal.kind !== 'time') return false
  // The moment of the parting is not known; that the segment before it was already archived then, is.
  const before = archive.segments.filter(
    ({ wal }) => parseSegmentName(wal, archive.segmentBytes)?.number === segmentOf(parted, archive.segmentBytes) - 1,
  )
  return before.some(({ storedAt }) => goal.at <= Date.parse(storedAt))
}

/** Bases whose own WAL lies in the run and that stopped before the way left their timeline; oldest stop first. */
function basesIn(run: Run, timeline: number, archive: Archive, bases: readonly PitrBase[]): PitrBase[] {
  return bases
    .filter(
      (base) =>
        onWay(base, timeline, archive) &&
        segmentNumber(base.walStart, archive) >= run.first.number &&
        segmentNumber(base.walStop, archive) <= run.last.number,
    )
    .sort((a, b) => (parseLsn(a.lsnStop) < parseLsn(b.lsnStop) ? -1 : 1))
}

export function onWay(base: PitrBase, timeline: number, { histories }: Archive): boolean {
  if (base.timeline === timeline) return true
  const fork = histories[timeline]?.find((ancestor) => ancestor.timeline === base.timeline)
  return fork !== undefined && parseLsn(base.lsnStop) <= parseLsn(fork.lsn)
}

/**
 * What retention leaves ends where a backup ends and goes on where one begins. A hole that archiving left does not end there:
 * the mark after a backup was in the archive before that was a point.
 */
function hasExpired(run: Run, after: Run, archive: Archive, bases: readonly PitrBase[]): boolean {
  const at = (name: 'walStart' | 'walStop', segment: Segment) =>
    bases.some((base) => base[name] === segmentName(segment, archive.segmentBytes))
  return at('walStop', run.last) && at('walStart', after.first)
}

function windowOf(timeline: number, run: Run, first: PitrBase, archive: Archive): Window {
  return {
    timeline,
    from: { lsn: first.lsnStop, time: first.stoppedAt, label: first.label },
    to: {
      lsn: formatLsn(segmentEnd(run.last.number, archive.segmentBytes)),
      time: run.lastStoredAt,
      wal: segmentName(run.last, archive.segmentBytes),
    },
  }
}

function segmentNumber(wal: string, archive: Archive): number {
  const segment = parseSegmentName(wal, archive.segmentBytes)
  if (!segment) throw new HoldfastError('INTEGRITY', `"${wal}" is not the name of a WAL segment`, { object: wal })
  return segment.number
}

function ofSystem(all: readonly PitrBase[], systemId: string | undefined): PitrBase[] {
  const bases = all.filter((base) => systemId === undefined || base.systemId === systemId)
  if (bases.length > 0) return bases
  const other = all[0]
  if (!other) throw new HoldfastError('NOT_FOUND', 'there is no backup to replay from', { next: 'take a backup: holdfast backup <source>' })
  throw new HoldfastError('TARGET_AMBIGUOUS', `the backups are of database system ${other.systemId}, not of ${systemId}`, {
    object: other.label,
    next: 'name the recovery point to begin with',
    details: { expected: systemId, found: other.systemId },
  })
}

function outOfRange(target: TargetMoment, { windows, gaps }: Windows, archive: Archive, timelines: number[]): HoldfastError {
  const shown = windows.filter((window) => timelines.includes(window.timeline) && !window.alone)
  const [first, last] = [shown[0]?.from, shown.at(-1)?.to]
  const range =
    first && last
      ? `the first recoverable moment is ${first.time} (${first.lsn}), the last ${last.time} (${last.lsn})`
      : 'no backup with its WAL is there'
  const passed = new Set(timelines.flatMap((timeline) => wayOf(timeline, archive).map((stretch) => stretch.timeline)))
  const holes = gaps
    .filter((gap) => passed.has(gap.timeline) && !gap.expired)
    .map((gap) => `${gap.missing} WAL segments between ${gap.afterWal} and ${gap.beforeWal} are missing`)
  const alone = windows.some((window) => window.alone) ? ['of before, retention has left points by themselves'] : []
  return new HoldfastError(
    'TARGET_OUT_OF_RANGE',
    [`${describeTarget(target)} cannot be reached: ${range}`, ...holes, ...alone].join('; '),
    {
      object: describeTarget(target),
      details: { windows, gaps },
    },
  )
}

function ambiguous(target: TargetMoment, branches: Branch[]): HoldfastError {
  const timelines = branches.map((branch) => branch.timeline)
  return new HoldfastError('TARGET_AMBIGUOUS', `${describeTarget(target)} is on timelines ${timelines.join(' and ')}, which differ there`, {
    object: describeTarget(target),
    next: `name one: add "timeline": ${timelines.at(-1)}`,
    details: { timelines, windows: branches.map((branch) => branch.window) },
  })
}

/** The target in a message. */
export function describeTarget(target: TargetMoment): string {
  const { timeline, latest, ...rest } = target
  const what = latest
    ? 'the latest state'
    : Object.entries(rest)
        .filter(([, value]) => value !== undefined)
        .map(([key, value]) => `${key} ${value}`)
        .join(', ')
  return timeline === undefined ? what : `${what} on timeline ${timeline}`
}

function badTarget(message: string): HoldfastError {
  return new HoldfastError('INPUT_INVALID', message, {
    object: 'target',
    next: 'for example {"time": "2025-10-18T21:45:30+00:00"}, {"lsn": "0/3000148"} or {"latest": true}',
  })
}
