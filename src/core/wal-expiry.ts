/** Which WAL an archive may lose: what no moment of the recoverable window and no backup needs. Pure. */
import { onWay, type PitrBase } from './planning.ts'
import { type Archive, branchesOf, parseLsn, parseSegmentName, runsOf, wayOf } from './wal.ts'

/** A backup that the engine has, whether or not a recovery point references it. */
export interface ArchivedBackup extends PitrBase {
  type: 'full' | 'incremental' | 'differential'
  /** Labels that it needs, oldest first. */
  needs: string[]
  /** A point that replay may begin with. */
  base: boolean
}

export type WalExpiry =
  | {
      /** All WAL from the start of so many of the newest full backups stays; of older ones, what makes them consistent. */
      keepFulls: number
      /** Names of what goes by that, oldest first. */
      segments: string[]
      /** Backups that are left with nothing but that. */
      alone: string[]
    }
  | { left: string; unhealthy?: true }

/** `backups` oldest first; `begins` is the first moment, in milliseconds, that has to stay recoverable. */
export function planWalExpiry(archive: Archive, backups: readonly ArchivedBackup[], begins: number): WalExpiry {
  if (new Set(backups.map(({ systemId }) => systemId)).size > 1) return { left: 'there are backups of more than one database system' }
  const live = branchesOf(archive).filter((timeline) => reaches(timeline, archive, begins))
  if (live.length === 0) return { left: 'nothing was archived within the window' }
  const needed: Need[] = []
  for (const timeline of live) {
    const base = baseBefore(begins, timeline, archive, backups)
    if (!base) return { left: `no point on timeline ${timeline} is older than the window` }
    const from = numberOf(base.walStart, archive)
    const run = runsOf(timeline, archive).at(-1)
    if (!run || run.first.number > from) return { left: `WAL is missing on timeline ${timeline} after ${base.walStart}`, unhealthy: true }
    needed.push({ timeline, from, base })
  }
  const root = Math.min(...needed.map(({ base }) => backups.findIndex(({ label }) => label === (base.needs[0] ?? base.label))))
  if (root < 0) return { left: 'the engine does not list the full backup that a point builds on', unhealthy: true }
  const segments = expiredBy(backups, root, archive)
  const lost = segments.find((wal) => needed.some((need) => isNeeded(wal, need, archive)))
  if (lost !== undefined) return { left: `${lost} is older than a backup on another timeline, and a moment of the window needs it` }
  return {
    keepFulls: backups.slice(root).filter(({ type }) => type === 'full').length,
    segments,
    alone: backups.slice(0, root).map(({ label }) => label),
  }
}

interface Need {
  timeline: number
  from: number
  base: ArchivedBackup
}

const numberOf = (wal: string, { segmentBytes }: Archive) => parseSegmentName(wal, segmentBytes)?.number ?? 0

/** Whether a moment of the window is on this branch: one that ended before has none. */
function reaches(timeline: number, archive: Archive, begins: number): boolean {
  const last = runsOf(timeline, archive).at(-1)
  // Times of an archive are whole seconds.
  return last !== undefined && Date.parse(last.lastStoredAt) + 1000 > begins
}

/** The newest point that surely ended before the window, on the way to the timeline. */
function baseBefore(begins: number, timeline: number, archive: Archive, backups: readonly ArchivedBackup[]): ArchivedBackup | undefined {
  return backups
    .filter((backup) => backup.base && onWay(backup, timeline, archive) && Date.parse(backup.stoppedAt) + 1000 <= begins)
    .sort((a, b) => (parseLsn(a.lsnStop) < parseLsn(b.lsnStop) ? -1 : 1))
    .at(-1)
}

/** By the engine's own rule: names are compared as they are, the timeline first. */
function expiredBy(backups: readonly ArchivedBackup[], root: number, archive: Archive): string[] {
  const from = backups[root]?.walStart ?? ''
  const alone = backups.slice(0, root)
  const stays = (wal: string) => wal >= from || alone.some(({ walStart, walStop }) => walStart <= wal && wal <= walStop)
  return archive.segments
    .map(({ wal }) => wal)
    .filter((wal) => !stays(wal))
    .sort()
}

function isNeeded(wal: string, { timeline, from }: Need, archive: Archive): boolean {
  const segment = parseSegmentName(wal, archive.segmentBytes)
  if (!segment || segment.number < from) return false
  return wayOf(timeline, archive).some((stretch) => stretch.timeline === segment.timeline && segment.number <= stretch.to)
}
