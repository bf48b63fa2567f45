/** Capture and upload of one point, by whichever driver; and what a try takes back that nobody waits for any more. */
import { reservationKey } from '../src/catalog/keys.ts'
import { type Staged, stage } from '../src/catalog/staged.ts'
import { recipientsOf } from '../src/config/recipients.ts'
import type { SourceConfig } from '../src/config/schema.ts'
import type { PointKind } from '../src/core/ids.ts'
import { newestFirst } from '../src/core/points.ts'
import type { Manifest } from '../src/core/records.ts'
import type { ArtifactSink, Snapshot } from '../src/drivers/driver.ts'
import { isStaged } from '../src/drivers/registry.ts'
import { createSink } from '../src/pipeline/capture.ts'
import { createSource } from '../src/pipeline/read.ts'
import { type RunningContext, withProgress } from './context.ts'
import { openSource, type Services, sourceOf } from './services.ts'

export interface Place {
  source: string
  id: string
}
export type Capture = Place & { kind: PointKind }

export function createCapture(services: Services) {
  const { config } = services
  const open = (source: string) => openSource(services, source)
  /** Only an engine with a repository of its own gives its backups labels. */
  const labelsOf = async (source: string): Promise<string[]> =>
    'stanza' in sourceOf(config, source) ? (await (await open(source)).catalog.listPoints(source)).flatMap(({ label }) => label ?? []) : []

  /** Of every source that shares the engine's repository: their ids are times, and may be the same. */
  const labelsOfStanza = async (name: string): Promise<string[]> => {
    const one = sourceOf(config, name)
    const shares = (other: SourceConfig) => 'stanza' in one && 'stanza' in other && other.stanza === one.stanza
    const sharing = Object.keys(config.sources).filter((other) => shares(sourceOf(config, other)))
    return (await Promise.all(sharing.map(labelsOf))).flat()
  }

  /** What an incremental builds on: the newest whose proof has not failed. */
  const baseOf = async (source: string): Promise<Manifest | undefined> => {
    const { catalog } = await open(source)
    const newest = (await catalog.listPoints(source)).filter(({ proof }) => proof?.ok !== false).sort(newestFirst)[0]
    return newest && catalog.findManifest(source, newest.id)
  }

  /** After the last write of a try: where its run has given the point up meanwhile, nobody else would remove it. */
  const forsake = async (context: RunningContext, source: string, id: string): Promise<void> => {
    const { store, catalog } = await open(source)
    if ((await store.head(reservationKey(source, id))) || (await catalog.hasManifest(source, id))) return
    await (await services.repositoryDriver(source, context.host)).discardCapture?.(context, id, await labelsOfStanza(source))
    if (isStaged(sourceOf(config, source).driver)) await (await services.driver(source)).removeSnapshot?.(context, id)
  }

  /** Lets `take` store what becomes the point, in its turn, and keeps what it found for whoever publishes. */
  const stageWith = async (context: RunningContext, { source, id }: Place, take: (sink: ArtifactSink) => Promise<Staged>) => {
    const { store, catalog } = await open(source)
    const { attempt } = context
    const configured = sourceOf(config, source)
    const { bandwidth, turns } = services.limits(configured.repository)
    const sink = createSink({
      store,
      prefix: `holdfast/v1/${source}/${id}/data/`,
      attempt,
      recipients: recipientsOf(config.encryption),
      signal: context.signal,
      onProgress: context.onProgress,
      bandwidth,
      ...('compressionLevel' in configured && { compressionLevel: configured.compressionLevel }),
    })
    const whole = async () => {
      const captured = await take(sink)
      return { captured, digest: await stage(store, { source, id, attempt }, captured) }
    }
    const inTurn = async () => {
      if (!turns) return whole()
      context.onProgress({ phase: 'waiting for its turn' })
      return turns.run(whole, context.signal)
    }
    // A try that was frozen may come here long after its run has ended: then what it wrote goes again.
    const { captured, digest } = await inTurn().catch(async (error: unknown) => {
      await catalog.settle(source, id).catch(() => {})
      await forsake(context, source, id).catch(() => {})
      throw error
    })
    await catalog.settle(source, id)
    await forsake(context, source, id)
    const storedBytes = captured.storedBytes ?? captured.artifacts.reduce((sum, artifact) => sum + artifact.storedBytes, 0)
    return { attempt, digest, sizeBytes: captured.sizeBytes, storedBytes, fileCount: captured.fileCount, warnings: captured.warnings }
  }

  const capture = async ({ source, id, kind, snapshot }: Capture & { snapshot?: Snapshot }) =>
    withProgress(async (context) => {
      const { store, catalog } = await open(source)
      const driver = await services.driver(source)
      const startedAt = new Date().toISOString()
      const { versions } = await driver.preflight(context)
      const { attempt } = context
      return stageWith(context, { source, id }, async (sink) => {
        const base = kind === 'incremental' && driver.capabilities.sharesObjects ? await baseOf(source) : undefined
        const known = await labelsOf(source)
        const { identityFile } = config.encryption
        const baseSource = createSource({ store, identityFile, headersOf: catalog.headers(), signal: context.signal })
        const { checkpoint, keep } = context
        const kept = checkpoint && { checkpoint, source: baseSource }
        const request = {
          id,
          kind,
          attempt,
          known,
          keep,
          ...(kept && { kept }),
          ...(base && { base, baseSource }),
          ...(snapshot && { snapshot }),
        }
        return { ...(await driver.capture(context, request, sink)), versions, startedAt }
      })
    })

  return { capture, stageWith, labelsOfStanza }
}
