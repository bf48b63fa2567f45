/** How the recovery of a cluster that takes its place ends: at the point's own mark, at a moment, or with the archive. */
import { HoldfastError } from '../../core/errors.ts'
import { describeTarget, onWay } from '../../core/planning.ts'
import type { Manifest } from '../../core/records.ts'
import { branchesOf, newestSegment } from '../../core/wal.ts'
import type { RestoreTarget } from '../driver.ts'
import { baseOf } from './bases.ts'
import type { PhysicalEngine } from './engine.ts'
import type { Stop } from './quarantine.ts'
import { planStop } from './restore.ts'

export interface Ending {
  /** In words, for notes. */
  said: string
  /** Where the copy stops beside the cluster; at its mark where it is not given, and compared with what was recorded there. */
  aside?: RestoreTarget
  /** Where the server goes from there once it is in its place. */
  live?: { stop: Stop; timeline: number }
  /** The last segment that has to be replayed. */
  newest?: string
  segmentBytes: number
}

/** Throws TARGET_OUT_OF_RANGE, TARGET_AMBIGUOUS. */
export async function endingOf(engine: PhysicalEngine, manifest: Manifest, to: RestoreTarget | undefined): Promise<Ending> {
  if (!to?.latest) {
    const aside = to && { ...to, timeline: to.timeline ?? (await timelineTo(engine, manifest, to)) }
    const { archive } = await planStop(engine, manifest, aside)
    const said = aside ? describeTarget(aside) : `the end of ${manifest.id} itself, and nothing that came after it`
    return { said, ...(aside && { aside }), segmentBytes: archive.segmentBytes }
  }
  const latest = { latest: true, timeline: await newestTimeline(engine, manifest) }
  const { timeline, archive } = await planStop(engine, manifest, latest)
  const newest = newestSegment(archive, timeline)
  return {
    said: `the end of the archive on timeline ${timeline}${newest === undefined ? '' : `, ${newest}`}`,
    live: { stop: { latest: true }, timeline },
    ...(newest !== undefined && { newest }),
    segmentBytes: archive.segmentBytes,
  }
}

/** Where a moment is on several that differ there, the newest of them has what the cluster went through. */
async function timelineTo(engine: PhysicalEngine, manifest: Manifest, to: RestoreTarget): Promise<number> {
  return planStop(engine, manifest, to).then(
    ({ timeline }) => timeline,
    (error: unknown) => {
      if (error instanceof HoldfastError && error.code === 'TARGET_AMBIGUOUS') return newestTimeline(engine, manifest)
      throw error
    },
  )
}

/** Of those that left the point's own after its mark. */
async function newestTimeline(engine: PhysicalEngine, manifest: Manifest): Promise<number> {
  const archive = await engine.archive()
  const base = baseOf(manifest)
  const marked = { ...base, lsnStop: manifest.consistency.lsn ?? base.lsnStop }
  return Math.max(base.timeline, ...branchesOf(archive).filter((timeline) => onWay(marked, timeline, archive)))
}
