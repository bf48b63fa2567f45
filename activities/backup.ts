/** The steps of a backup. Each may run twice, and a try that Temporal gave up may still be running. */
import { Context } from '@temporalio/activity'
import { stage } from '../src/catalog/staged.ts'
import { HoldfastError } from '../src/core/errors.ts'
import type { PointKind } from '../src/core/ids.ts'
import { writeCanary } from '../src/failover/database/canary.ts'
import { createSink } from '../src/pipeline/capture.ts'
import { withProgress } from './context.ts'
import { currentHost, groupOfSource, primarySite } from './placement.ts'
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
  return {
    /** Where the steps of this source run now: of a pair's source, on the host of the present primary. */
    async resolveSource({ source }: { source: string }): Promise<{ driver: string; host?: string }> {
      const { driver } = sourceOf(config, source)
      const host = await currentHost(config, source)
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
          const captured = await driver.capture(context, { id, kind, attempt }, sink)
          return { captured, digest: await stage(store, { source, id, attempt }, { ...captured, versions, startedAt }) }
        }
        // A try that was frozen may come here long after its run has ended: then what it wrote goes again.
        const { captured, digest } = await capture().catch(async (error: unknown) => {
          await catalog.settle(source, id).catch(() => {})
          throw error
        })
        await catalog.settle(source, id)
        const storedBytes = captured.storedBytes ?? captured.artifacts.reduce((sum, artifact) => sum + artifact.storedBytes, 0)
        return { attempt, digest, sizeBytes: captured.sizeBytes, storedBytes, fileCount: captured.fileCount, warnings: captured.warnings }
      })
    },

    ...createPublishActivities(services),

    async switchWal({ source }: { source: string }): Promise<{ segment: string }> {
      const driver = await services.driver(source)
      if (!driver.switchWal) throw new HoldfastError('INPUT_INVALID', `${source} has no WAL archive`, { object: source })
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
export type BackupActivities = ReturnType<typeof createBackupActivities>
