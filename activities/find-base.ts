/** What a recovery to a point in time begins with: the base that its driver chooses, from the first repository that can give it. */
import { mapConcurrently } from '../src/catalog/concurrent.ts'
import type { Problem } from '../src/catalog/generations.ts'
import { parseKey } from '../src/catalog/keys.ts'
import type { PitrTarget } from '../src/contract/inputs.ts'
import { HoldfastError } from '../src/core/errors.ts'
import { AT_FAULT } from '../src/core/places.ts'
import { newestFirst, warningsOf } from '../src/core/points.ts'
import type { Manifest } from '../src/core/records.ts'
import { type InPlace, lookInPlaces, type Place } from './in-places.ts'
import type { RepositoryDriver, Services } from './services.ts'

export interface Base {
  id: string
  timeline: number
  /** False where the live side could not be asked to end its WAL segment: then only what was archived is known. */
  walSwitched: boolean
  warnings: string[]
}

export interface BaseWish {
  source: string
  target: PitrTarget
  /** From there and nowhere else. */
  repository?: string | undefined
}

/** What another repository may have, or may reach. */
const ELSEWHERE: readonly string[] = [...AT_FAULT, 'TARGET_OUT_OF_RANGE']

/** What says of a driver that it cannot get at the log. */
const AWAY: readonly string[] = ['STORE_UNREACHABLE', 'STORE_DENIED', 'SOURCE_UNREACHABLE', 'NOT_FOUND']

/** The driver has asked every place of the log already: a point from another repository does not bring it back. */
class LogAway extends HoldfastError {}

type Plan = NonNullable<RepositoryDriver['plan']>

export async function findBase(services: Services, wish: BaseWish, host: string | undefined): Promise<Base & InPlace> {
  const { source, repository } = wish
  const driver = await services.repositoryDriver(source, host)
  const { plan } = driver
  if (!plan)
    throw new HoldfastError('INPUT_INVALID', `${source} is ${driver.kind}, which knows no point in time`, {
      object: source,
      next: 'use a source whose log is archived: of the drivers postgres-physical, raft-cluster; or an event store, postgres-events',
    })
  // The WAL that follows the target has to be in the archive: without it nobody knows that the target was reached.
  const walSwitched = await switchWal(services, source)
  return lookInPlaces(services, {
    source,
    repository,
    look: (place) => baseIn(services, plan, wish, place, walSwitched),
    goesOn: (error) => !(error instanceof LogAway) && ELSEWHERE.includes(error.code),
    // That a point of some age is kept elsewhere only is nothing to warn of.
    instead: (own, place, { code, message }) =>
      code === 'TARGET_OUT_OF_RANGE' ? undefined : `${own} does not give it (${message}): the copy in ${place} was taken`,
  })
}

/** False where the live side is away: what was archived before is all there is then. */
async function switchWal(services: Services, source: string): Promise<boolean> {
  try {
    return (await (await services.driver(source)).switchWal?.()) !== undefined
  } catch {
    return false
  }
}

async function baseIn(services: Services, plan: Plan, wish: BaseWish, place: Place, walSwitched: boolean): Promise<Base> {
  const { source } = wish
  const { repository, problems, wanted } = place
  const points = wanted === undefined ? place.points : place.points.filter(({ id }) => id === wanted)
  const catalog = await services.catalog(repository)
  const manifests = await mapConcurrently(points, async ({ id }) => (await catalog.readManifest(source, id)).manifest)
  const choice = await chosen(plan, wish, repository, manifests)
  const manifest = manifests.find(({ id, reference }) => id === choice.pointId || reference?.label === choice.label)
  const point = points.find(({ id }) => id === manifest?.id)
  if (!point)
    throw new HoldfastError('TARGET_OUT_OF_RANGE', `The base ${choice.label} for this target has no recovery point in the catalogue`, {
      object: choice.label,
    })
  return {
    id: point.id,
    timeline: choice.timeline,
    walSwitched,
    warnings: [...warningsOf(point, place.points), ...untrusted(problems, repository)],
  }
}

/** Where points come from copies, their log may be gone with the repository of before: said here, and not in the middle of a restore. */
async function chosen(plan: Plan, wish: BaseWish, repository: string, manifests: Manifest[]): ReturnType<Plan> {
  try {
    return await plan(wish.target, manifests)
  } catch (error) {
    const stored = manifests.filter(({ reference }) => reference === undefined)
    if (error instanceof HoldfastError && AWAY.includes(error.code) && stored.length > 0) throw logAway(error, wish, repository, stored)
    throw error
  }
}

function logAway(error: HoldfastError, { source, target }: BaseWish, repository: string, manifests: Manifest[]): LogAway {
  const until = target.time === undefined ? Number.POSITIVE_INFINITY : Date.parse(target.time)
  const sorted = manifests.toSorted(newestFirst)
  const nearest = sorted.find(({ createdAt }) => Date.parse(createdAt) <= until) ?? (sorted[0] as Manifest)
  return new LogAway(error.code, `the log of ${source} cannot be read, and no copy has it: ${error.message}`, {
    ...(error.object !== undefined && { object: error.object }),
    next: `holdfast restore ${source} ${nearest.id} --repository ${repository} brings back what was there at ${nearest.createdAt}; or wait until the log can be read again`,
    retryable: error.retryable,
    cause: error,
  })
}

/** Another base than the best may have been chosen for want of it. */
function untrusted(problems: readonly Problem[], repository: string): string[] {
  const manifests = problems.filter(({ key }) => parseKey(key)?.kind === 'manifest')
  const [first] = manifests
  return first ? [`${manifests.length} points in ${repository} cannot be trusted and were left out: ${first.message}`] : []
}
