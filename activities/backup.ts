/** The steps of a backup. Each may run twice, and a try that Temporal gave up may still be running. */
import { Context } from '@temporalio/activity'
import { copiesOf } from '../src/config/copies.ts'
import type { Config, SourceConfig } from '../src/config/schema.ts'
import { HoldfastError } from '../src/core/errors.ts'
import type { PointKind } from '../src/core/ids.ts'
import { newestFirst } from '../src/core/points.ts'
import { admit, fillOf, type Wanted } from '../src/core/repository-fill.ts'
import type { Due, Snapshot } from '../src/drivers/driver.ts'
import { isStaged } from '../src/drivers/registry.ts'
import { parseDates, parseSpan, stateAt } from '../src/core/windows.ts'
import { writeCanary } from '../src/failover/database/canary.ts'
import { type Capture, createCapture, type Place } from './capture.ts'
import { withProgress } from './context.ts'
import { currentHost, groupOfSource, hostToRestore, pairOf, primarySite, repositoryHost } from './placement.ts'
import { createPublishActivities } from './publish.ts'
import { siteOf } from './sites.ts'
import { openSource, type Services, sourceOf } from './services.ts'

export interface ToResolve {
  source: string
  repositoryOnly?: boolean
  /** For a restore over it, which an outage of a pair does not keep from beginning. */
  live?: boolean
}

export interface Resolved {
  driver: string
  host?: string
  /** The failover group of which it is a side. */
  pair?: string
  staged?: boolean
  autoVerify?: boolean
  copies?: string[]
}

export function createBackupActivities(services: Services) {
  const { config } = services
  const { capture, labelsOfStanza } = createCapture(services)
  const open = (source: string) => openSource(services, source)
  return {
    /**
     * Where the steps of this source run now: of a pair's source on the host of the present primary. What needs only the
     * repository has a host also while no side takes writes, or both do.
     */
    async resolveSource({ source, repositoryOnly, live }: ToResolve): Promise<Resolved> {
      const configured = sourceOf(config, source)
      const { driver, autoVerify } = configured
      const host = await (live ? hostToRestore : repositoryOnly ? repositoryHost : currentHost)(config, source)
      const pair = live ? pairOf(config, source)?.[0] : undefined
      const staged = !repositoryOnly && isStaged(driver)
      return {
        driver,
        ...(host !== undefined && { host }),
        ...(pair !== undefined && { pair }),
        ...(staged && { staged }),
        ...(autoVerify && { autoVerify }),
        ...(!repositoryOnly && copiesAfterBackup(configured)),
      }
    },

    /** Nothing where it may begin now and take its time. */
    async windowOf({ source, at }: { source: string; at: string }): Promise<{ opensAt?: string; closesAt?: string }> {
      const { windows } = sourceOf(config, source)
      if (!windows) return {}
      const { open, closed, timezone, finish } = windows
      const state = stateAt({ open: open.map(parseSpan), closed: closed.map(parseDates), timezone }, new Date(at))
      const until = state.until?.toISOString()
      if (state.open) return finish && until !== undefined ? { closesAt: until } : {}
      if (until !== undefined) return { opensAt: until }
      throw new HoldfastError('WINDOW_CLOSED', `no window of ${source} opens within eight days`, {
        object: source,
        next: `correct sources.${source}.windows in holdfast.yaml`,
      })
    },

    /** The same run gets the same id again. */
    async reserveId({ source, kind, at }: { source: string; kind: PointKind; at: string }): Promise<{ id: string }> {
      const owner = Context.current().info.workflowExecution?.runId
      const { catalog } = await open(source)
      return { id: await catalog.reserveId(source, kind, new Date(at), owner) }
    },

    /** What is `crowded` degrades the run. Throws SOURCE_UNFIT, REPOSITORY_FULL. */
    async preflight({ source, kind = 'manual' }: { source: string; kind?: PointKind }) {
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
        const crowded = await crowdedBy(services, { source, kind, estimateBytes: found.estimateBytes })
        return {
          estimateBytes: found.estimateBytes,
          warnings: found.findings.filter((finding) => !finding.ok).map((f) => `${f.name}: ${f.detail}`),
          ...(crowded !== undefined && { crowded }),
        }
      })
    },

    /** For an engine that leaves a file or a snapshot: has it made. The same id finds its own again. */
    async snapshot({ source, id, kind }: Place & { kind: PointKind }): Promise<{ snapshot: Snapshot }> {
      return withProgress(async (context) => {
        const driver = await services.driver(source)
        if (!driver.snapshot) throw new HoldfastError('UNEXPECTED', `${driver.kind} makes no snapshots`, { object: source })
        return { snapshot: await driver.snapshot(context, { id, kind, attempt: context.attempt }) }
      })
    },

    async removeSnapshot({ source, id }: Place): Promise<void> {
      await withProgress(async (context) => (await services.driver(source)).removeSnapshot?.(context, id))
    },

    /** Capture and upload in one pass: an engine that streams would otherwise need a temporary copy. */
    async dump(input: Capture) {
      return capture(input)
    },

    /** Uploads what the engine has left. */
    async upload(input: Capture & { snapshot: Snapshot }) {
      return capture(input)
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

    /** For schedules that look often: nothing is recorded where nothing is due. */
    async isDue({ source }: { source: string }): Promise<Due> {
      return withProgress(async (context) => {
        const { catalog } = await open(source)
        const [newest] = (await catalog.listPoints(source)).sort(newestFirst)
        const driver = await services.driver(source)
        const found = newest && (await catalog.findManifest(source, newest.id))
        return (await driver.due?.(context, found)) ?? { due: false, detail: `${driver.kind} takes points by calendar only` }
      })
    },

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

/** Those with a schedule of their own are not made after each backup. */
function copiesAfterBackup(source: SourceConfig): { copies?: string[] } {
  const copies = copiesOf(source).flatMap(({ to, schedule }) => (schedule ? [] : [to]))
  return copies.length > 0 ? { copies } : {}
}

/** Throws REPOSITORY_FULL. Only a repository with a limit is asked for all its points. */
export async function crowdedBy(services: Services, wanted: Wanted): Promise<string | undefined> {
  const { repository } = sourceOf(services.config, wanted.source)
  const limit = services.config.repositories[repository]?.limit
  if (!limit) return undefined
  const points = await (await services.catalog(repository)).listPoints()
  return admit(fillOf(repository, limit, points), points, wanted)
}

function withoutArchive(config: Config, source: string): HoldfastError {
  const archived = Object.keys(config.sources).filter((name) => sourceOf(config, name).driver === 'postgres-physical')
  return new HoldfastError('INPUT_INVALID', `${source} is ${sourceOf(config, source).driver}, which has no WAL archive`, {
    object: source,
    next: `name a postgres-physical source; there is ${archived.join(', ') || 'none'}`,
  })
}

export type BackupActivities = ReturnType<typeof createBackupActivities>
