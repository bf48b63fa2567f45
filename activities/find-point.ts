/** Which recovery point is meant, and which repository it is taken from: that of its source as long as it can. */
import type { Problem } from '../src/catalog/generations.ts'
import { parseKey } from '../src/catalog/keys.ts'
import { repositoriesOf } from '../src/config/copies.ts'
import { HoldfastError } from '../src/core/errors.ts'
import { type Choice, newestFirst, newestOf, soundestOf, warningsOf } from '../src/core/points.ts'
import type { PointSummary } from '../src/core/records.ts'
import { archiveOf } from '../src/core/transitions.ts'
import { type InPlace, lookInPlaces } from './in-places.ts'
import { inTime } from './in-time.ts'
import { type Services, sourceOf } from './services.ts'

export type Found = Choice & InPlace

interface Wish {
  source: string
  /** `latest`, `random` or an id. */
  recoveryPoint: string
  /** No point is the latest whose proof failed, where there is another. */
  sound?: boolean
  /** From there and nowhere else. */
  repository?: string
  /** `latest` and `random` mean points that can be read at once, where there are any. */
  readable?: boolean
}

export function createFindPoint(services: Services) {
  const { config } = services
  return {
    async resolvePoint({ source, recoveryPoint, sound = false, repository, readable = false }: Wish): Promise<Found> {
      return lookInPlaces(services, {
        source,
        repository,
        look({ points, problems, wanted = recoveryPoint }) {
          if (!points.some(({ id }) => id === wanted)) refuseUntrusted(problems, wanted)
          const open = readable && isUnnamed(wanted) ? thawed(points) : points
          return (sound && wanted === 'latest' && soundestOf(open)) || choosePoint(open, source, wanted)
        },
        goesOn: ({ code }) => code !== 'CANCELLED',
        instead: (own, place, failure) => insteadOf(own, place, failure, recoveryPoint),
      })
    },

    /** The next repository that has the point, for a run that has tried some of them in vain; `''` is that of the source. */
    async otherPlace({ source, id, tried }: { source: string; id: string; tried: string[] }): Promise<{ repository?: string }> {
      const own = sourceOf(config, source).repository
      const open = repositoriesOf(sourceOf(config, source)).filter((name) => !tried.includes(name) && !(name === own && tried.includes('')))
      for (const repository of open) {
        const has = async () => (await services.catalog(repository)).hasManifest(source, id)
        // One that does not answer either has nothing to offer; what was wrong first is what the run tells.
        if (await inTime(has(), repository).catch(() => false)) return { repository }
      }
      return {}
    },
  }
}

const isUnnamed = (wanted: string) => wanted === 'latest' || wanted === 'random'

/** Those that need not be thawed; all of them where there is none. */
function thawed(points: PointSummary[]): PointSummary[] {
  const found = points.filter((point) => archiveOf(point, points) === undefined)
  return found.length > 0 ? found : points
}

/** A point that stands there with a record that was altered is another thing than one that is not there. */
function refuseUntrusted(problems: readonly Problem[], id: string): void {
  const problem = problems.find(({ key }) => parseKey(key)?.id === id)
  if (problem)
    throw new HoldfastError(problem.code === 'SIGNATURE_INVALID' ? 'SIGNATURE_INVALID' : 'INTEGRITY', problem.message, { object: id })
}

/** That a point of some age is kept elsewhere only is nothing to warn of. */
function insteadOf(own: string, place: string, { code, object, message }: HoldfastError, wanted: string): string | undefined {
  const none = code === 'NOT_FOUND' && object === wanted
  if (none && !isUnnamed(wanted)) return undefined
  return `${own} ${none ? 'has no point of it' : `does not give it (${message})`}: the copy in ${place} was taken`
}

export function choosePoint(points: PointSummary[], source: string, wanted: string, random = Math.random): Choice {
  const sorted = [...points].sort(newestFirst)
  const chosen =
    wanted === 'latest'
      ? newestOf(points)
      : wanted === 'random'
        ? sorted[Math.floor(random() * sorted.length)]
        : sorted.find((point) => point.id === wanted)
  if (chosen) return { id: chosen.id, warnings: warningsOf(chosen, points) }
  throw new HoldfastError(
    'NOT_FOUND',
    sorted.length === 0 ? `${source} has no recovery point` : `${source} has no recovery point "${wanted}"; the newest is ${sorted[0]?.id}`,
    {
      object: wanted,
      next: sorted.length === 0 ? `holdfast backup ${source}` : `holdfast list ${source}`,
    },
  )
}
