/** The steps of a backup. Each may run twice, and a try that Temporal gave up may still be running. */
import { Context } from '@temporalio/activity'
import { VERSION } from '../src/core/version.ts'
import { readStaged, stage, stagedKey } from '../src/catalog/staged.ts'
import { HoldfastError } from '../src/core/errors.ts'
import type { PointKind } from '../src/core/ids.ts'
import type { Manifest } from '../src/core/records.ts'
import { checkPlausible } from '../src/core/plausible.ts'
import { createSink } from '../src/pipeline/capture.ts'
import { withProgress } from './context.ts'
import { currentHost } from './placement.ts'
import { type Services, sourceOf } from './services.ts'

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

export function createBackupActivities(services: Services) {
  const { config } = services
  const open = async (source: string) => {
    const { repository } = sourceOf(config, source)
    return { store: await services.store(repository), catalog: await services.catalog(repository) }
  }
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
        const { store } = await open(source)
        const driver = await services.driver(source)
        const startedAt = new Date().toISOString()
        const { versions } = await driver.preflight(context)
        const { attempt } = context
        const { recipients, breakGlass } = config.encryption
        const sink = createSink({
          store,
          prefix: `holdfast/v1/${source}/${id}/data/`,
          attempt,
          recipients: breakGlass ? [...recipients, breakGlass] : recipients,
          signal: context.signal,
          onProgress: context.onProgress,
        })
        const captured = await driver.capture(context, { id, kind, attempt }, sink)
        const digest = await stage(store, { source, id, attempt }, { ...captured, versions, startedAt })
        const storedBytes = captured.storedBytes ?? captured.artifacts.reduce((sum, artifact) => sum + artifact.storedBytes, 0)
        return { attempt, digest, sizeBytes: captured.sizeBytes, storedBytes, fileCount: captured.fileCount, warnings: captured.warnings }
      })
    },

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
      if (!staged) return { id }
      const driver = sourceOf(config, source).driver
      const storedBytes = staged.storedBytes ?? staged.artifacts.reduce((sum, artifact) => sum + artifact.storedBytes, 0)
      const points = await catalog.listPoints(source)
      checkPlausible({ source, id, kind, driver, sizeBytes: staged.sizeBytes, accepted: input.description !== undefined }, points)
      const parent =
        staged.reference?.needs.flatMap((label) => points.filter((point) => point.label === label).map((point) => point.id)) ?? []
      const manifest: Manifest = {
        format: 'holdfast/v1',
        type: 'manifest',
        source,
        id,
        driver,
        kind,
        createdAt: staged.startedAt,
        completedAt: new Date().toISOString(),
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
        versions: staged.versions,
        encryption: { recipients: config.encryption.recipients },
        parents: parent,
        warnings: staged.warnings,
        workflowId: input.workflowId,
        runId: input.runId,
      }
      await catalog.publishManifest(manifest)
      for (let n = 1; n <= attempt; n += 1) await store.delete(stagedKey(source, id, n))
      return { id }
    },

    /** Undoes an unpublished point: its objects and its uploads. A published one is left alone. */
    async discard({ source, id }: Place): Promise<void> {
      const { catalog } = await open(source)
      await catalog.discard(source, id)
    },

    async switchWal({ source }: { source: string }): Promise<{ segment: string }> {
      const driver = await services.driver(source)
      if (!driver.switchWal) throw new HoldfastError('INPUT_INVALID', `${source} has no WAL archive`, { object: source })
      return { segment: await driver.switchWal() }
    },
  }
}
export type BackupActivities = ReturnType<typeof createBackupActivities>
