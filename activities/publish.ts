/** From captured to published, or to nothing: what the store has is asked for, the manifest comes last. */
import { parseKey } from '../src/catalog/keys.ts'
import { readStaged } from '../src/catalog/staged.ts'
import { recipientsOf } from '../src/config/recipients.ts'
import { HoldfastError } from '../src/core/errors.ts'
import type { PointKind } from '../src/core/ids.ts'
import { checkPlausible } from '../src/core/plausible.ts'
import type { Artifact, Manifest, PointSummary } from '../src/core/records.ts'
import { VERSION } from '../src/core/version.ts'
import { openSource, type Services, sourceOf } from './services.ts'
import { isGivenUp, requireCurrent } from './straggler.ts'

interface Place {
  source: string
  id: string
}
/** Which try captured it, and what its record must still be: the repository is writable by others. */
interface Staging {
  attempt: number
  digest: string
}
interface PublishInput extends Place, Staging {
  kind: PointKind
  tags: string[]
  description?: string
  schemaVersion?: string | number
  workflowId: string
  runId: string
}

/** What no run of this source has touched for so long nobody comes back for: it has one backup at a time. */
const FORGOTTEN_MS = 24 * 3600 * 1000

export function createPublishActivities(services: Services) {
  const { config } = services
  const open = (source: string) => openSource(services, source)
  return {
    /** Asks the store what it really has: size and its own whole-object checksum of each artifact. */
    async checksum({ source, id, attempt, digest }: Place & Staging) {
      const { store } = await open(source)
      const { artifacts } = await readStaged(store, { source, id, attempt, digest })
      for (const artifact of artifacts) {
        const found = await store.head(artifact.key)
        if (!found) throw new HoldfastError('INTEGRITY', `${artifact.key} was stored and is not there`, { object: artifact.key })
        if (found.size !== artifact.storedBytes)
          throw new HoldfastError('INTEGRITY', `${artifact.key} has ${found.size} bytes, ${artifact.storedBytes} were stored`, {
            object: artifact.key,
          })
        if (found.crc32 && artifact.storeChecksum && found.crc32 !== artifact.storeChecksum.value)
          throw new HoldfastError('INTEGRITY', `${artifact.key} has another checksum than what was stored`, { object: artifact.key })
      }
      return { objects: artifacts.length, bytes: artifacts.reduce((sum, artifact) => sum + artifact.storedBytes, 0) }
    },

    /** Makes it a recovery point: the manifest, last, only where none stands. */
    async publish(input: PublishInput): Promise<{ id: string }> {
      const { source, id, attempt, digest, kind } = input
      const { store, catalog } = await open(source)
      const staged = await readStaged(store, { source, id, attempt, digest }).catch(async (error) => {
        // A first try that published and was killed before it could say so has removed what was staged.
        if (await catalog.hasManifest(source, id)) return undefined
        throw error
      })
      if (!staged) {
        await catalog.settle(source, id)
        return { id }
      }
      const driver = sourceOf(config, source).driver
      const storedBytes = staged.storedBytes ?? staged.artifacts.reduce((sum, artifact) => sum + artifact.storedBytes, 0)
      const points = await catalog.listPoints(source)
      checkPlausible({ source, id, kind, driver, sizeBytes: staged.sizeBytes, accepted: input.description !== undefined }, points)
      const parents = [...parentsOf(source, staged.reference?.needs ?? [], points), ...ownersOf(id, staged.artifacts)]
      const manifest: Manifest = {
        format: 'holdfast/v1',
        type: 'manifest',
        source,
        id,
        driver,
        kind,
        createdAt: staged.startedAt,
        completedAt: staged.completedAt ?? new Date().toISOString(),
        ...(input.description !== undefined && { description: input.description }),
        ...(input.schemaVersion !== undefined && { schemaVersion: input.schemaVersion }),
        tags: input.tags,
        holdfastVersion: VERSION,
        sizeBytes: staged.sizeBytes,
        storedBytes,
        fileCount: staged.fileCount,
        artifacts: staged.artifacts,
        ...(staged.reference && { reference: staged.reference }),
        consistency: staged.consistency,
        ...(staged.content && { content: staged.content }),
        ...(staged.inventory && { inventory: staged.inventory }),
        versions: staged.versions,
        encryption: { recipients: recipientsOf(config.encryption) },
        parents,
        warnings: staged.warnings,
        ...(staged.adopted && { adopted: staged.adopted }),
        workflowId: input.workflowId,
        runId: input.runId,
      }
      await catalog.publishManifest(manifest, { stillWanted: () => requireCurrent(), givenUp: () => isGivenUp() })
      await catalog.settle(source, id)
      await catalog.sweepOrphans(source, { olderThan: new Date(Date.now() - FORGOTTEN_MS), inUse: [id] })
      return { id }
    },

    /** Undoes an unpublished point: its objects and its uploads. A published one is left alone. */
    async discard({ source, id }: Place): Promise<void> {
      const { catalog } = await open(source)
      await catalog.discard(source, id)
    },
  }
}

/** Points whose objects are among its artifacts. */
function ownersOf(id: string, artifacts: readonly Artifact[]): string[] {
  const owners = new Set(artifacts.flatMap(({ key }) => parseKey(key)?.id ?? []))
  owners.delete(id)
  return [...owners].sort()
}

/** The points that it needs. On a backup that is of no point, none would hold what it needs, nor keep it from going. */
function parentsOf(source: string, needs: readonly string[], points: readonly PointSummary[]): string[] {
  return needs.map((label) => {
    const point = points.find((one) => one.label === label)
    if (point) return point.id
    throw new HoldfastError('INTEGRITY', `it builds on the backup ${label}, which is of no recovery point of ${source}`, {
      object: label,
      next: `take a full one: holdfast backup ${source} --kind full`,
    })
  })
}
