/** The steps of a backup. Each may run twice, and a try that Temporal gave up may still be running. */
import { Context } from '@temporalio/activity'
import { reservationKey } from '../src/catalog/keys.ts'
import { stage } from '../src/catalog/staged.ts'
import type { Config, SourceConfig } from '../src/config/schema.ts'
import { HoldfastError } from '../src/core/errors.ts'
import type { PointKind } from '../src/core/ids.ts'
import { writeCanary } from '../src/failover/database/canary.ts'
import { createSink } from '../src/pipeline/capture.ts'
import { type RunningContext, withProgress } from './context.ts'
import { currentHost, groupOfSource, primarySite, repositoryHost } from './placement.ts'
import { createPublishActivities } from './publish.ts'
import { siteOf } from './sites.ts'
import { openSource, type Services, sourceOf } from './services.ts'

interface Place {
  source: string
  id: string
}

export function createBackupActivities(services: Services) {
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

  /** After the last write of a try: where its run has given the point up meanwhile, nobody else would remove it. */
  const forsake = async (context: RunningContext, source: string, id: string): Promise<void> => {
    const { store, catalog } = await open(source)
    if ((await store.head(reservationKey(source, id))) || (await catalog.hasManifest(source, id))) return
    await (await services.repositoryDriver(source, context.host)).discardCapture?.(context, id, await labelsOfStanza(source))
  }
  return {
    /**
     * Where the steps of this source run now: of a pair's source on the host of the present primary. What needs only the
     * repository has a host also while no side takes writes, or both do.
     */
    async resolveSource({
      source,
      repositoryOnly,
    }: {
      source: string
      repositoryOnly?: boolean
    }): Promise<{ driver: string; host?: string }> {
      const { driver } = sourceOf(config, source)
      const host = await (repositoryOnly ? repositoryHost : currentHost)(config, source)
      return { driver, ...(host !== undefined && { host }) }
    },

    /** The same run gets the same id again. */
    async reserveId({ source, kind, at }: { source: string; kind: PointKind; at: string }): Promise<{ id: string }> {
      const owner = Context.current().info.workflowExecution?.runId
      const { catalog } = await open(source)
      return { id: await catalog.reserveId(source, kind, new Date(at), owner) }
    },

    async preflight({ source }: { source: string }) {
      return withProgress(async (context) => {
        const found = await (await services.driver(source)).preflight(context)
        const broken = found.findings.filter((finding) => finding.required && !finding.ok)
        if (broken.length > 0) {
          throw new HoldfastError(
            'SOURCE_UNFIT',
            `${source} cannot be backed up: ${broken.map((f) => `${f.name}: ${f.detail}`).join('; ')}`,
            { object: source, next: broken[0]?.next },
          )
        }
        return {
          estimateBytes: found.estimateBytes,
          warnings: found.findings.filter((finding) => !finding.ok).map((f) => `${f.name}: ${f.detail}`),
        }
      })
    },

    /** Capture and upload in one pass: an engine that streams would otherwise need a temporary copy. */
    async dump({ source, id, kind }: Place & { kind: PointKind }) {
      return withProgress(async (context) => {
        const { store, catalog } = await open(source)
        const driver = await services.driver(source)
        const startedAt = new Date().toISOString()
        const { versions } = await driver.preflight(context)
        const { attempt } = context
        const { recipients, breakGlass } = config.encryption
        const configured = sourceOf(config, source)
        const sink = createSink({
          store,
          prefix: `holdfast/v1/${source}/${id}/data/`,
          attempt,
          recipients: breakGlass ? [...recipients, breakGlass] : recipients,
          signal: context.signal,
          onProgress: context.onProgress,
          ...(configured.driver === 'postgres-logical' && { compressionLevel: configured.compressionLevel }),
        })
        const capture = async () => {
          const captured = await driver.capture(context, { id, kind, attempt, known: await labelsOf(source) }, sink)
          return { captured, digest: await stage(store, { source, id, attempt }, { ...captured, versions, startedAt }) }
        }
        // A try that was frozen may come here long after its run has ended: then what it wrote goes again.
        const { captured, digest } = await capture().catch(async (error: unknown) => {
          await catalog.settle(source, id).catch(() => {})
          await forsake(context, source, id).catch(() => {})
          throw error
        })
        await catalog.settle(source, id)
        await forsake(context, source, id)
        const storedBytes = captured.storedBytes ?? captured.artifacts.reduce((sum, artifact) => sum + artifact.storedBytes, 0)
        return { attempt, digest, sizeBytes: captured.sizeBytes, storedBytes, fileCount: captured.fileCount, warnings: captured.warnings }
      })
    },

    /** Undoes in the engine's repository what of a point was not published. */
    async discardCapture({ source, id }: Place): Promise<void> {
      await withProgress(async (context) => {
        const driver = await services.repositoryDriver(source, context.host)
        if (!(await (await open(source)).catalog.hasManifest(source, id)))
          await driver.discardCapture?.(context, id, await labelsOfStanza(source))
      })
    },

    ...createPublishActivities(services),

    async switchWal({ source }: { source: string }): Promise<{ segment: string }> {
      const driver = await services.driver(source)
      if (!driver.switchWal) throw withoutArchive(config, source)
      const pair = groupOfSource(config, source)
      // A row of a known time in the WAL that is shipped now: a failover reads it to bound what was lost.
      if (pair?.[1].database.canary) {
        const primary = await siteOf(pair[1], await primarySite(pair[1]))
        await writeCanary(primary, { epoch: 0, note: 'wal switch' })
      }
      return { segment: await driver.switchWal() }
    },
  }
}

function withoutArchive(config: Config, source: string): HoldfastError {
  const archived = Object.keys(config.sources).filter((name) => sourceOf(config, name).driver === 'postgres-physical')
  return new HoldfastError('INPUT_INVALID', `${source} is ${sourceOf(config, source).driver}, which has no WAL archive`, {
    object: source,
    next: `name a postgres-physical source; there is ${archived.join(', ') || 'none'}`,
  })
}

export type BackupActivities = ReturnType<typeof createBackupActivities>
