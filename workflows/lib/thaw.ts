/** Points in an archive, which gives them back hours after it was asked: the run waits, and holds no lock meanwhile. */
import { isCancellation, proxyActivities, sleep } from '@temporalio/workflow'
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
    await thawed(view, pinned)
  }
}

async function thawed(view: View, { archived, ...place }: ArchivedPoint): Promise<void> {
  const { phase } = view.state
  const until = Date.now() + LONGEST_MS
  view.phase('awaiting thaw')
  for (let last: Thaw | undefined; ; ) {
    const now = await look(place)
    last = now ?? last
    if (now?.left === 0) break
    const every = last?.lookSeconds ?? 60
    const state = last
      ? `${last.archived - last.left} of ${last.archived} objects are back from ${archived} (${last.tier})`
      : 'no answer yet'
    view.step('thaw', 'running', `${place.id}: ${state}; next look in ${every} s`)
    if (Date.now() > until)
      throw failure('STORE_UNREACHABLE', `${place.id} is still not readable after 96 hours: ${state}`, { object: place.id })
    await sleep(every * 1000)
  }
  view.step('thaw', 'done', `${place.id} can be read`)
  view.phase(phase)
}

/** A store that is away for a while must not end a wait of hours. */
async function look(place: Omit<ArchivedPoint, 'archived'>): Promise<Thaw | undefined> {
  try {
    return await thawPoint.executeWithOptions({ summary: `thaw ${place.id}` }, [{ ...place, ask: true }])
  } catch (error) {
    if (isCancellation(error) || rootFailure(error).code !== 'STORE_UNREACHABLE') throw error
    return undefined
  }
}
