/** Points in an archive, which gives them back hours after it was asked: the run waits, and holds no lock meanwhile. */
import { isCancellation, patched, proxyActivities, sleep } from '@temporalio/workflow'
import type { ProofActivities } from '../../activities/proof.ts'
import type { Thaw } from '../../activities/thaw.ts'
import { failure, rootFailure } from './failure.ts'
import { data } from './options.ts'
import type { View } from './view.ts'

const { thawPoint } = proxyActivities<ProofActivities>(data)

export interface ArchivedPoint {
  source: string
  id: string
  repository?: string
  /** The storage class. */
  archived: string
}

/** Ends what holds the locks, so that it can be begun anew when the point can be read. */
class NotReadable extends Error {
  readonly point: ArchivedPoint
  constructor(point: ArchivedPoint) {
    super(`${point.id} is in ${point.archived}`)
    this.point = point
  }
}

/** No archive takes longer: 48 hours are what the slowest tier of the coldest class is promised in. */
const LONGEST_MS = 96 * 3600 * 1000

/** Throws POINT_ARCHIVED where nobody asked for a thaw; whenReadable sees to what else it throws. */
export async function requireReadable(point: ArchivedPoint, asked: boolean): Promise<void> {
  const { source, id, repository, archived } = point
  const place = { source, id, ...(repository !== undefined && { repository }) }
  const { left, tier } = await thawPoint.executeWithOptions({ summary: `${id} in ${archived}` }, [{ ...place, ask: false }])
  if (left === 0) return
  if (asked) throw new NotReadable(point)
  const where = repository === undefined ? '' : ` --repository ${repository}`
  throw failure('POINT_ARCHIVED', `${id} is in ${archived}, and ${left} of its objects cannot be read before they are thawed`, {
    object: id,
    next: `holdfast verify ${source} ${id}${where} --thaw, which costs what the tier ${tier} costs and waits for hours; or name a point that is not archived`,
  })
}

/** Runs the body; where it meets a point that cannot be read yet, asks for it, waits, and runs the body anew with that point. */
export async function whenReadable<T>(view: View, body: (pinned?: ArchivedPoint) => Promise<T>): Promise<T> {
  for (let pinned: ArchivedPoint | undefined; ; ) {
    try {
      return await body(pinned)
    } catch (error) {
      if (!(error instanceof NotReadable)) throw error
      pinned = error.point
    }
    await awaitReadable(view, [pinned])
  }
}

/** Asks for all of them at once, and waits until each can be read. What was asked for before is not asked again. */
export async function awaitReadable(view: View, points: readonly ArchivedPoint[]): Promise<void> {
  const { phase } = view.state
  const until = Date.now() + LONGEST_MS
  view.phase('awaiting thaw')
  const waiting: { point: ArchivedPoint; last: Thaw | undefined }[] = []
  for (const point of points) {
    const last = await look(point)
    if (last?.left !== 0) waiting.push({ point, last })
  }
  for (let [first] = waiting; first; [first] = waiting) {
    const { every, state } = told(first)
    const more = waiting.length > 1 ? `, and ${waiting.length - 1} more points` : ''
    view.step('thaw', 'running', `${first.point.id}: ${state}${more}; next look in ${every} s`)
    if (Date.now() > until)
      throw failure('STORE_UNREACHABLE', `${first.point.id} is still not readable after 96 hours: ${state}`, { object: first.point.id })
    await sleep(every * 1000)
    await passReadable(waiting)
  }
  view.step('thaw', 'done', points.length === 1 ? `${points[0]?.id} can be read` : `${points.length} points can be read`)
  view.phase(phase)
}

function told({ point: { archived }, last }: { point: ArchivedPoint; last: Thaw | undefined }): { every: number; state: string } {
  if (!last) return { every: 60, state: 'no answer yet' }
  const { archived: objects, left, tier, lookSeconds } = last
  return { every: lookSeconds, state: `${objects - left} of ${objects} objects are back from ${archived} (${tier})` }
}

/** Asked at the same time, the others are not there much sooner than the first: each look is a few events in the history. */
async function passReadable(waiting: { point: ArchivedPoint; last: Thaw | undefined }[]): Promise<void> {
  for (let [first] = waiting; first; [first] = waiting) {
    const now = await look(first.point)
    first.last = now ?? first.last
    if (now?.left !== 0) return
    waiting.shift()
  }
}

/** A store that is away for a while must not end a wait of hours. That a point is gone meanwhile, whoever goes on will see. */
async function look({ archived: _, ...place }: ArchivedPoint): Promise<Thaw | undefined> {
  try {
    return await thawPoint.executeWithOptions({ summary: `thaw ${place.id}` }, [{ ...place, ask: true }])
  } catch (error) {
    const { code } = rootFailure(error)
    if (code === 'NOT_FOUND' && patched('gone-meanwhile')) return { archived: 0, left: 0, tier: '', lookSeconds: 0 }
    if (isCancellation(error) || code !== 'STORE_UNREACHABLE') throw error
    return undefined
  }
}
