/** Backups that were taken without Holdfast: looked for, and each stored or referenced as a point that its run publishes. */
import { mapConcurrently } from '../src/catalog/concurrent.ts'
import { HoldfastError } from '../src/core/errors.ts'
import type { Adoption, FoundBackup, FoundBackups } from '../src/drivers/driver.ts'
import { crowdedBy } from './backup.ts'
import { createCapture, type Place } from './capture.ts'
import { withProgress } from './context.ts'
import { openSource, type Services, sourceOf } from './services.ts'

/** So many in one run: a history has an end. */
const MOST = 200
/** What was left alone and is named. */
const MOST_LEFT = 50

export interface Found extends FoundBackups {
  /** Backups for the next run. */
  more: number
  leftCount: number
  brokenCount: number
}

export function createAdoptActivities(services: Services) {
  const { stageWith, labelsOfStanza } = createCapture(services)

  const adoptionOf = async (source: string, host: string | undefined): Promise<Adoption> => {
    const { kind, adoption } = await services.repositoryDriver(source, host)
    if (adoption) return adoption
    throw new HoldfastError('INPUT_INVALID', `${source} is ${kind}, which takes over no backups of others`, {
      object: source,
      next: 'name a source of postgres-logical, postgres-events, postgres-physical or rocksdb',
    })
  }

  /** Origins of what is a point already: of an engine's backups their labels, also those of other sources, and those of this one. */
  const knownOf = async (source: string): Promise<{ known: Set<string>; own: Set<string> }> => {
    const { catalog } = await openSource(services, source)
    const points = await catalog.listPoints(source)
    const adopted = points.filter(({ tags }) => tags.includes('adopted'))
    const manifests = await mapConcurrently(adopted, ({ id }) => catalog.findManifest(source, id))
    return {
      known: new Set([...manifests.flatMap((manifest) => manifest?.adopted?.origin ?? []), ...(await labelsOfStanza(source))]),
      own: new Set(points.flatMap(({ label }) => label ?? [])),
    }
  }

  /** What only references an engine's backup takes no room. */
  const requireRoom = async (source: string, { kind, sizeBytes: estimateBytes }: FoundBackup): Promise<void> => {
    if (!('stanza' in sourceOf(services.config, source))) await crowdedBy(services, { source, kind, estimateBytes })
  }

  return {
    /** Changes nothing, however much it reads. */
    async findBackups({ source, from }: { source: string; from: string[] }): Promise<Found> {
      return withProgress(async (context) => {
        const adoption = await adoptionOf(source, context.host)
        const { known, own } = await knownOf(source)
        const { backups, already, left } = await adoption.find(context, from, known, own)
        // What is broken comes first: the list is cut.
        const named = left.toSorted((a, b) => Number(b.broken) - Number(a.broken)).slice(0, MOST_LEFT)
        return {
          backups: backups.slice(0, MOST),
          more: Math.max(0, backups.length - MOST),
          already,
          left: named,
          leftCount: left.length,
          brokenCount: left.filter(({ broken }) => broken).length,
        }
      })
    },

    /** Staged like a capture, with the times of when it was taken. Throws REPOSITORY_FULL. */
    async adoptBackup({ source, id, backup }: Place & { backup: FoundBackup }) {
      return withProgress(async (context) => {
        const adoption = await adoptionOf(source, context.host)
        await requireRoom(source, backup)
        const { createdAt: startedAt, completedAt, from, origin } = backup
        return stageWith(context, { source, id }, async (sink) => ({
          ...(await adoption.take(context, backup, id, sink)),
          startedAt,
          completedAt,
          adopted: { from, origin },
        }))
      })
    },
  }
}
export type AdoptActivities = ReturnType<typeof createAdoptActivities>
