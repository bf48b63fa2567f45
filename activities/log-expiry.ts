/** The log that an engine ships with `holdfast wal-push`: what no point and no rule keeps of it, and its going. */
import { repositoriesOf } from '../src/config/copies.ts'
import { copiesBeside, ownersOf } from '../src/config/logs.ts'
import { seconds } from '../src/core/duration.ts'
import { HoldfastError } from '../src/core/errors.ts'
import { heldIn } from '../src/wal/contents.ts'
import { removeUnrecorded, removeWal } from '../src/wal/remove.ts'
import { pointsOf, unfitness } from './archive-expiry.ts'
import { type RunningContext, withProgress } from './context.ts'
import { type Services, sourceOf } from './services.ts'

export interface LogRequest {
  source: string
  /** Of the copies there, by the points of there. */
  repository?: string
  archive: string
  keep: string
}

export interface LogPlan {
  archive: string
  keep: string
  segments: number
  bytes: number
  /** The first and the last that go. */
  first?: string
  last?: string
  needed?: { segments: number; by: string }
  /** Why nothing may go; `unhealthy` where that is nothing to wait for. */
  left?: string
  unhealthy?: true
  /** Where the lock of an object ended it. */
  locked?: string
}

export function createLogExpiry(services: Services) {
  return {
    /** Takes nothing away. Nothing may go where a proof failed or the source does not answer: why is in the result. */
    async planLog({ leaving, ...request }: LogRequest & { leaving: string[] }): Promise<LogPlan> {
      return withProgress(async (context) => {
        const { archive, keep, source } = request
        const nothing = { archive, keep, segments: 0, bytes: 0 }
        const points = await pointsWith(services, request)
        const unwell = await unfitness(services, source, points, context)
        if (unwell !== undefined) return { ...nothing, left: unwell, unhealthy: true }
        const staying = points.filter(({ manifest }) => !(manifest.source === source && leaving.includes(manifest.id)))
        const { go, needed, left } = await examine(services, request, staying, context)
        if (left !== undefined) return { ...nothing, left }
        const bytes = go.reduce((sum, { storedBytes }) => sum + storedBytes, 0)
        const [first, last] = [go[0]?.name, go.at(-1)?.name]
        return { ...nothing, segments: go.length, bytes, ...(first && last && { first, last }), ...(needed && { needed }) }
      })
    },

    /**
     * Takes away what was planned, up to the segment `last`, oldest first. Safe to repeat: what is gone stays gone, and what no
     * plan named stays.
     */
    async removeLog({ last, ...request }: LogRequest & { last: string }): Promise<{ locked?: string }> {
      return withProgress(async (context) => {
        const { go, isHeld, unrecorded, store, before } = await examine(services, request, await pointsWith(services, request), context)
        await removeUnrecorded({ store }, unrecorded, before)
        const planned = go.slice(0, go.findIndex(({ name }) => name === last) + 1)
        // Gone already, by a try before this one; or there, and needed by now.
        if (planned.length === 0 && isHeld(last)) throw neededAgain(request, last)
        const onRemoved = (parts: number) => context.onProgress({ phase: `remove ${request.archive}`, parts })
        const locked = await removeWal({ archive: request.archive, store }, planned, onRemoved)
        return locked === undefined ? {} : { locked }
      })
    },
  }
}

type Points = Awaited<ReturnType<typeof pointsOf>>

/** Of every source whose log it is, as far as it has them there. */
async function pointsWith(services: Services, { archive, repository }: LogRequest): Promise<Points> {
  const { config } = services
  const own = ownersOf(config, archive).flatMap((name) => {
    const source = sourceOf(config, name)
    const places = repository === undefined ? [source.repository, ...copiesBeside(config, source, archive)] : [repository]
    return places.filter((place) => repositoriesOf(source).includes(place)).map((place) => pointsOf(services, name, place))
  })
  return (await Promise.all(own)).flat()
}

async function examine(
  services: Services,
  { source, archive, keep, repository: copies }: LogRequest,
  points: Points,
  { host }: RunningContext,
) {
  const repository = copies ?? services.config.archives[archive]?.repository
  const driver = await services.repositoryDriver(source, host)
  if (!repository || !driver.planLog)
    throw new HoldfastError('NOT_FOUND', `${source} has no log "${archive}" on this worker`, {
      object: archive,
      next: 'give all workers the same holdfast.yaml',
    })
  const store = await services.store(repository)
  const { held, unrecorded } = await heldIn({ archive, store })
  const before = new Date(Date.now() - seconds(keep) * 1000)
  const { go, needed, left } = driver.planLog({ archive, held, points: points.map(({ manifest }) => manifest), before })
  const byName = new Map(held.map((file) => [file.name, file]))
  const isHeld = (name: string) => byName.has(name)
  return { go: go.flatMap((name) => byName.get(name) ?? []), isHeld, needed, left, unrecorded, store, before }
}

function neededAgain({ source, archive, repository }: LogRequest, last: string): HoldfastError {
  return new HoldfastError('POINT_PROTECTED', `${last} of ${archive} was to go, and by now it has to stay: nothing was removed`, {
    object: archive,
    next: `holdfast prune ${source}${repository === undefined ? '' : ` --repository ${repository}`} --dry-run`,
  })
}
