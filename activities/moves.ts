/** Points that are old enough go into another storage class; what reads and lists them stays where it is. */
import { mapConcurrently } from '../src/catalog/concurrent.ts'
import { dataPrefix } from '../src/catalog/keys.ts'
import type { Config } from '../src/config/schema.ts'
import { HoldfastError } from '../src/core/errors.ts'
import type { Artifact } from '../src/core/records.ts'
import { isArchive } from '../src/core/storage-classes.ts'
import type { Transition, TransitionPlan } from '../src/core/transitions.ts'
import { requireStored } from '../src/pipeline/download.ts'
import type { ObjectInfo, Store } from '../src/storage/store.ts'
import { withProgress } from './context.ts'
import { keepHeaders } from './keep-headers.ts'
import { openSource, type Services } from './services.ts'

export interface Moved {
  objects: number
  bytes: number
  /** Objects under a lock, which stay in their class until it ends. */
  locked: number
  /** Objects that are not what the manifest of their point says: left as they are, for a proof to look at. */
  unlike?: { objects: number; first: string }
}

interface Moving {
  source: string
  repository?: string
  move: TransitionPlan['move']
}

/** None where the repository says nothing of classes. */
export function transitionsOf({ repositories }: Config, repository: string): readonly Transition[] {
  const found = repositories[repository]
  return found?.type === 's3' ? (found.transitions ?? []) : []
}

export function createMoves(services: Services) {
  return {
    /** Moves exactly what the report lists. Safe to repeat: what is in its class is left there. */
    async movePoints({ source, repository, move }: Moving): Promise<Moved> {
      return withProgress(async (context) => {
        const { workflowId, runId } = context
        const { store, catalog } = await openSource(services, source, repository)
        const moved: Moved = { objects: 0, bytes: 0, locked: 0 }
        for (const { id, storageClass } of move) {
          await context.requireCurrent()
          const manifest = await catalog.findManifest(source, id)
          if (manifest && isArchive(storageClass)) await keepHeaders({ store, catalog, run: { workflowId, runId } }, manifest)
          const { artifacts = [] } = manifest ?? {}
          const named = new Map(artifacts.map((artifact) => [artifact.key, artifact]))
          await mapConcurrently(await movableTo(storageClass, store, dataPrefix(source, id)), async ({ key, size }) => {
            context.signal.throwIfAborted()
            const problem = await problemOf(store, key, named.get(key))
            if (problem !== undefined) {
              moved.unlike = { objects: (moved.unlike?.objects ?? 0) + 1, first: moved.unlike?.first ?? problem }
              return
            }
            const outcome = await store.classes?.moveTo(key, storageClass, context.signal)
            if (outcome === 'locked') moved.locked += 1
            if (outcome !== 'moved') return
            moved.objects += 1
            moved.bytes += size
            context.onProgress({ phase: `${id} to ${storageClass}`, bytes: moved.bytes, parts: moved.objects })
          })
        }
        return moved
      })
    },
  }
}

/** A copy of what is damaged would be taken for the good one, and may cost the version below it. */
async function problemOf(store: Store, key: string, artifact: Artifact | undefined): Promise<string | undefined> {
  if (!artifact) return `${key} is not named by the manifest of its point`
  try {
    await requireStored(store, artifact)
    return undefined
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== 'INTEGRITY') throw error
    return error.message
  }
}

/** What is in another archive could be moved no further; what is there already may have left a version behind. */
async function movableTo(storageClass: string, store: Store, prefix: string): Promise<ObjectInfo[]> {
  const found: ObjectInfo[] = []
  for await (const info of store.list(prefix)) if (!isArchive(info.storageClass) || info.storageClass === storageClass) found.push(info)
  return found
}
