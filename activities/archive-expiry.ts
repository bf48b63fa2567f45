/** WAL that no moment of the recoverable window and no point needs: how much that is, and its going. */
import { parseKey } from '../src/catalog/keys.ts'
import type { SourceConfig } from '../src/config/schema.ts'
import { seconds } from '../src/core/duration.ts'
import { messageOf } from '../src/core/errors.ts'
import { standingFailures } from '../src/core/proofs.ts'
import type { Manifest } from '../src/core/records.ts'
import type { ArchiveExpiry, DriverContext } from '../src/drivers/driver.ts'
import { withProgress } from './context.ts'
import { repositoryOf, type Services, sourceOf } from './services.ts'

export interface ArchiveRequest {
  source: string
  /** Ids that go, which a dry run leaves where they are. */
  leaving: string[]
  dryRun: boolean
}

/** The span of which every moment stays recoverable, for a source that has one. */
export const windowOf = (source: SourceConfig): string | undefined => ('pitrWindow' in source ? source.pitrWindow : undefined)

export function createArchiveExpiry(services: Services) {
  const { config } = services
  return {
    /** Nothing goes where a proof failed, the source does not answer, or its WAL does not reach the archive: why is in the result. */
    async expireArchive({ source, leaving, dryRun }: ArchiveRequest): Promise<ArchiveExpiry> {
      return withProgress(async (context) => {
        const driver = await services.repositoryDriver(source, context.host)
        if (!driver.expireArchive) return { segments: 0, bytes: 0 }
        const sharing = sharingArchive(config.sources, source)
        const known = together(await Promise.all(sharing.map((name) => knownOf(services, name))))
        const { points } = known
        const unwell = await unfitness(services, source, known, context)
        if (unwell !== undefined) return { segments: 0, bytes: 0, left: unwell, unhealthy: true }
        const goes = ({ manifest }: Point) => manifest.source === source && leaving.includes(manifest.id)
        return driver.expireArchive({
          window: longest(sharing.flatMap((name) => windowOf(sourceOf(config, name)) ?? [])),
          points: points.filter((point) => !goes(point)),
          leaving: points.filter(goes).map(({ manifest }) => manifest),
          dryRun,
        })
      })
    },
  }
}

export interface Point {
  manifest: Manifest
  sound: boolean
  failed: boolean
}

/** Sources with the same stanza have one archive: what a point of any of them needs stays. */
function sharingArchive(sources: Record<string, SourceConfig>, name: string): string[] {
  const stanza = (source: SourceConfig | undefined) => (source && 'stanza' in source ? source.stanza : undefined)
  return Object.keys(sources).filter((other) => stanza(sources[other]) !== undefined && stanza(sources[other]) === stanza(sources[name]))
}

export interface Known {
  points: Point[]
  /** Manifests that stand there and cannot be trusted: what they would need nobody can say. */
  untrusted: string[]
}

export const together = (all: readonly Known[]): Known => ({
  points: all.flatMap(({ points }) => points),
  untrusted: all.flatMap(({ untrusted }) => untrusted),
})

/** In its own repository, or in another one that has copies of them. */
export async function knownOf(services: Services, source: string, repository?: string): Promise<Known> {
  const catalog = await services.catalog(repositoryOf(services.config, source, repository))
  const { points, problems } = await catalog.survey(source)
  const failed = standingFailures(points).map(({ id }) => id)
  const found: Point[] = []
  for (const { id, proof } of points) {
    const { manifest } = await catalog.readManifest(source, id)
    found.push({ manifest, sound: proof?.ok !== false, failed: failed.includes(id) })
  }
  return { points: found, untrusted: problems.map(({ key }) => key).filter((key) => parseKey(key)?.kind === 'manifest') }
}

/** Why now is no time to take WAL away: while anything is wrong, more of it may be needed than anybody thought. */
export async function unfitness(
  services: Services,
  source: string,
  { points, untrusted }: Known,
  context: DriverContext,
): Promise<string | undefined> {
  if (untrusted.length > 0) return `what ${untrusted[0]} needs is not known: it cannot be trusted`
  const failed = points.filter((point) => point.failed).map(({ manifest }) => manifest.id)
  if (failed.length > 0) return `the failed proof of ${failed.join(', ')} stands`
  try {
    const { findings } = await (await services.driver(source)).preflight(context)
    return findings.find(({ required, ok }) => required && !ok)?.detail
  } catch (error) {
    return `whether WAL is archived is not known: ${messageOf(error)}`
  }
}

const longest = (windows: readonly string[]): string => windows.reduce((one, other) => (seconds(other) > seconds(one) ? other : one))
