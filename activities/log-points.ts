/** The points that are replayed with a log: of the sources that name its archive, and of those that did under another name. */
import { mapConcurrently } from '../src/catalog/concurrent.ts'
import { parseKey } from '../src/catalog/keys.ts'
import { repositoriesOf } from '../src/config/copies.ts'
import { copiesBeside, ownersOf } from '../src/config/logs.ts'
import { type Known, knownOf, type Point, together } from './archive-expiry.ts'
import type { LogPlace } from './logs.ts'
import { repositoryOf, type Services, sourceOf } from './services.ts'

/**
 * Where the log goes by its points: beside them, or as a copy with copies of them. A dry run takes points for gone that would be:
 * those of the source in the one repository that the run is about, and not their copies beside the archive.
 */
export async function knownWith(
  services: Services,
  place: LogPlace,
  leaving: readonly string[] = [],
): Promise<Known & { staying: Point[] }> {
  const { config } = services
  const { source, archive, repository } = place
  const about = repositoryOf(config, source, repository)
  const owned = ownersOf(config, archive).flatMap((name) => {
    const owner = sourceOf(config, name)
    const places = repository === undefined ? [owner.repository, ...copiesBeside(config, owner, archive)] : [repository]
    return places.filter((where) => repositoriesOf(owner).includes(where)).map((where) => ({ name, where }))
  })
  const own = owned.map(async ({ name, where }) => {
    const known = await knownOf(services, name, where)
    const goes = ({ manifest }: Point) => name === source && where === about && leaving.includes(manifest.id)
    return { ...known, staying: known.points.filter((point) => !goes(point)) }
  })
  const former = [...new Set(owned.map(({ where }) => where))].map(async (where) => {
    const known = await formerIn(services, place, where)
    return { ...known, staying: known.points }
  })
  const known = await Promise.all([...own, ...former])
  return { ...together(known), staying: known.flatMap(({ staying }) => staying) }
}

/**
 * Of sources that do not name the archive now: renamed, taken out of the configuration, or with another archive. Their manifests
 * say what they need; that the proof of one failed is no reason to wait, as nobody proves it again.
 */
export async function formerIn(services: Services, { source, archive }: LogPlace, repository: string): Promise<Known> {
  const { config } = services
  const owners = ownersOf(config, archive)
  const { driver } = sourceOf(config, source)
  const may = (name: string) => !owners.includes(name) && (config.sources[name]?.driver ?? driver) === driver
  const catalog = await services.catalog(repository)
  const { points, problems } = await catalog.survey()
  const manifests = await mapConcurrently(
    points.filter((point) => point.driver === driver && may(point.source)),
    (point) => catalog.findManifest(point.source, point.id),
  )
  return {
    points: manifests.flatMap((manifest) => (manifest ? [{ manifest, sound: true, failed: false }] : [])),
    untrusted: problems.flatMap(({ key }) => {
      const place = parseKey(key)
      return place?.kind === 'manifest' && may(place.source) ? [key] : []
    }),
  }
}
