/** Recovery points with the repositories that have them: each is told once, however many copies of it there are. */
import type { Catalog } from '../catalog/catalog.ts'
import type { Problem } from '../catalog/generations.ts'
import type { PublishedManifest } from '../catalog/manifests.ts'
import { copiesOf, placesToLook, repositoriesOf } from '../config/copies.ts'
import type { Config } from '../config/schema.ts'
import { HoldfastError } from '../core/errors.ts'
import { firstOf } from '../core/places.ts'
import { newestFirst } from '../core/points.ts'
import { standingFailures } from '../core/proofs.ts'
import type { PointSummary } from '../core/records.ts'
import type { OpenedServices } from './context.ts'

export type PlacedPoint = PointSummary & {
  /** Of a source with copies: where it is, its own repository first. */
  repositories?: string[]
}

export interface CopiesStatus {
  repository: string
  points: number
  newest?: string
  ageHours?: number
  /** Copies whose proof failed, and no later one has cleared it. */
  failed?: string[]
}

export interface Places {
  points: PlacedPoint[]
  /** What cannot be trusted, and repositories that do not answer while another one has the same points. */
  problems: Problem[]
  /** By source. */
  copies: Record<string, CopiesStatus[]>
}

/** Of one source, or of all. Throws where a repository does not answer of which there are no copies. */
export async function surveyPlaces({ catalog }: Pick<OpenedServices, 'catalog'>, config: Config, source?: string): Promise<Places> {
  const own = source === undefined ? undefined : config.sources[source]
  const repositories = own ? repositoriesOf(own) : Object.keys(config.repositories)
  const surveys = await Promise.all(
    repositories.map(async (repository) => {
      try {
        return { repository, ...(await (await catalog(repository)).survey(source)) }
      } catch (error) {
        if (!(error instanceof HoldfastError) || !isCopied(config, repository)) throw error
        return { repository, points: [], problems: [{ key: repository, code: error.code, message: error.message }], error }
      }
    }),
  )
  if (surveys.every((survey) => 'error' in survey)) for (const { error } of surveys as { error: unknown }[]) throw error
  const found = new Map(surveys.map(({ repository, points }) => [repository, points]))
  return {
    points: eachOnce(found, config),
    problems: surveys.flatMap(({ problems }) => problems),
    copies: Object.fromEntries(
      Object.entries(config.sources).flatMap(([name, one]) => {
        const copies = copiesOf(one).flatMap(({ to }) => copiesStatus(to, name, found.get(to)) ?? [])
        return copies.length > 0 && (source === undefined || source === name) ? [[name, copies]] : []
      }),
    ),
  }
}

/** Whether what is there is somewhere else as well. */
const isCopied = ({ sources }: Config, repository: string): boolean =>
  Object.values(sources).some((source) => copiesOf(source).length > 0 && repositoriesOf(source).includes(repository))

function eachOnce(found: ReadonlyMap<string, readonly PointSummary[]>, { sources }: Config): PlacedPoint[] {
  const points = new Map<string, PlacedPoint>()
  for (const [repository, some] of found)
    for (const point of some) {
      const name = `${point.source}/${point.id}`
      const source = sources[point.source]
      if (!source || copiesOf(source).length === 0) points.set(`${repository}/${name}`, point)
      else {
        const before = points.get(name)
        const isOwn = repository === source.repository
        const places = [...(before?.repositories ?? []), repository]
        points.set(name, { ...(before && !isOwn ? before : point), repositories: isOwn ? [...new Set([repository, ...places])] : places })
      }
    }
  const all = [...points.values()]
  return all.some(({ repositories }) => repositories) ? all.sort((a, b) => byName(a, b)) : all
}

const byName = (a: PointSummary, b: PointSummary): number => (a.source === b.source ? -newestFirst(a, b) : a.source < b.source ? -1 : 1)

function copiesStatus(repository: string, source: string, all: readonly PointSummary[] | undefined): CopiesStatus | undefined {
  if (!all) return undefined
  const points = all.filter((point) => point.source === source).sort(newestFirst)
  const [newest] = points
  const failed = standingFailures(points).map(({ id }) => id)
  return {
    repository,
    points: points.length,
    ...(newest && { newest: newest.id, ageHours: (Date.now() - Date.parse(newest.createdAt)) / 3_600_000 }),
    ...(failed.length > 0 && { failed }),
  }
}

export function copiesLines(copies: Record<string, CopiesStatus[]>): string[] {
  return Object.entries(copies).flatMap(([source, each]) =>
    each.flatMap(({ repository, points, newest, ageHours = 0, failed = [] }) => [
      newest
        ? `copies of ${source} in ${repository}: ${points}, the newest ${newest}, ${ageHours.toFixed(1)} h old`
        : `copies of ${source} in ${repository}: NONE`,
      ...failed.map((id) => `PROOF FAILED ${source} ${id} in ${repository}: holdfast copy ${source} --to ${repository} brings it again`),
    ]),
  )
}

export interface PointPlace extends PublishedManifest {
  catalog: Catalog
  /** Undefined for a source that the configuration does not know. */
  repository: string | undefined
  /** Other repositories that have the point. */
  others: string[]
}

/** The point from the repository that is named, or from the first of its source's that has it. */
export async function openPoint(
  { catalog }: Pick<OpenedServices, 'catalog'>,
  config: Config,
  { source, id, repository }: { source: string; id: string; repository?: string | undefined },
): Promise<PointPlace> {
  const own = config.sources[source]
  const all = own ? repositoriesOf(own) : Object.keys(config.repositories).slice(0, 1)
  const { given, failures } = await firstOf(
    own ? placesToLook(own, source, repository) : repository === undefined ? all : [repository],
    async (place) => {
      const opened = await catalog(place)
      const published = await opened.readManifest(source, id)
      return { ...published, catalog: opened, repository: own && place, others: await havingIt(all.filter((name) => name !== place)) }
    },
    () => true,
  )
  if (given) return given
  throw failures[0]?.error

  async function havingIt(names: string[]): Promise<string[]> {
    const has = await Promise.all(names.map(async (name) => (await catalog(name)).hasManifest(source, id).catch(() => false)))
    return names.filter((_, index) => has[index])
  }
}
