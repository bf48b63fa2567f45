/** What may go, and its going: the engine's own files first asked for, the manifest always first to disappear. */
import { copiedLogs, keptLogs } from '../src/config/logs.ts'
import { retentionRules } from '../src/config/retention-rules.ts'
import type { Config, SourceConfig } from '../src/config/schema.ts'
import type { LogPlan } from '../src/core/log-expiry.ts'
import { standingFailures } from '../src/core/proofs.ts'
import type { Hold } from '../src/core/records.ts'
import { planRetention } from '../src/core/retention.ts'
import { HoldfastError } from '../src/core/errors.ts'
import { planTransitions, type TransitionPlan } from '../src/core/transitions.ts'
import type { ArchiveExpiry, SnapshotExpiry } from '../src/drivers/driver.ts'
import { createArchiveExpiry, windowOf } from './archive-expiry.ts'
import { withProgress } from './context.ts'
import { createHostSnapshots } from './host-snapshots.ts'
import { createLogExpiry } from './log-expiry.ts'
import { createMoves, type Moved, transitionsOf } from './moves.ts'
import { repositoryOf, type Services, sourceOf } from './services.ts'

export interface RetentionReport {
  source: string
  /** Where these points are, where that is not the one of the source. */
  repository?: string
  keep: { id: string; reasons: string[] }[]
  delete: { id: string; reason: string; label?: string }[]
  /** Still under object lock. */
  locked: string[]
  /** Held since the plan was made: left alone. */
  held: string[]
  /** Points whose failed proof stands: nothing of the source is deleted while there is one. */
  failed?: string[]
  /** Left alone: backups of the engine need them, by their labels, that are of no recovery point. */
  needed?: { id: string; by: string[] }[]
  /** Old enough for another storage class, and those that stay in theirs all the same. */
  move?: TransitionPlan['move']
  stay?: TransitionPlan['stay']
  moved?: Moved
  /** The span of which every moment stays recoverable: there is an archive, of which what lies before may go. */
  pitrWindow?: string
  archive?: ArchiveExpiry
  /** Archives of `holdfast wal-push` that have a rule, and what goes of each. */
  keepLogs?: { archive: string; keep: string }[]
  logs?: LogPlan[]
  /** How long the engine's own snapshots stay where the source is. */
  keepSnapshots?: string
  snapshots?: SnapshotExpiry
}

export function createRetentionActivities(services: Services) {
  const { config } = services
  const catalogOf = (source: string, copies?: string) => services.catalog(repositoryOf(config, source, copies))
  return {
    ...createMoves(services),
    ...createArchiveExpiry(services),
    ...createLogExpiry(services),
    ...createHostSnapshots(services),

    async listSources(): Promise<string[]> {
      return Object.keys(config.sources)
    },

    planRetention: ({ source, repository }: { source: string; repository?: string }) => planOf(services, source, repository),

    /** Throws POINT_PROTECTED for the last good point, one that another needs, and a held one. */
    async mayDelete({ source, id, repository }: { source: string; id: string; repository?: string }): Promise<{ label?: string }> {
      const points = await (await catalogOf(source, repository)).listPoints(source)
      const point = points.find((one) => one.id === id)
      if (!point)
        throw new HoldfastError('NOT_FOUND', `${source} has no recovery point "${id}"`, { object: id, next: `holdfast list ${source}` })
      const children = points.filter((one) => one.parents.includes(id)).map((one) => one.id)
      if (children.length > 0)
        throw new HoldfastError('POINT_PROTECTED', `${id} is needed by ${children.join(', ')}`, {
          object: id,
          next: `delete ${children.join(', ')} first`,
        })
      if (point.held)
        throw new HoldfastError('POINT_PROTECTED', `${id} is held`, {
          object: id,
          next: `holdfast hold ${source} ${id} --release --reason "…"`,
        })
      const good = points.filter((one) => one.good)
      if (point.good && good.length === 1)
        throw new HoldfastError('POINT_PROTECTED', `${id} is the last good recovery point of ${source}`, {
          object: id,
          next: `take and prove another: holdfast backup ${source} --prove full`,
        })
      return point.label === undefined ? {} : { label: point.label }
    },

    /** Deletes exactly what the report lists. Safe to repeat: what is gone stays gone. */
    async deletePoints(report: RetentionReport): Promise<RetentionReport> {
      return withProgress(async (context) => {
        const { source, repository } = report
        const catalog = await catalogOf(source, repository)
        const driver = await services.repositoryDriver(source, context.host)
        const locked: string[] = []
        const held: string[] = []
        const needed: { id: string; by: string[] }[] = []
        for (const [index, { id, label }] of report.delete.entries()) {
          context.onProgress({ phase: `delete ${id}`, parts: index })
          // Asked before the manifest goes: what the engine then refused to remove would be nobody's.
          const by = label === undefined ? [] : ((await driver.dependentsOf?.(label)) ?? [])
          if (by.length > 0) {
            needed.push({ id, by })
            continue
          }
          const result = await catalog.deletePoint(source, id).catch((error: unknown) => {
            if (error instanceof HoldfastError && error.code === 'POINT_PROTECTED') return undefined
            throw error
          })
          if (!result) held.push(id)
          else if (result.locked.length > 0) locked.push(id)
          // By the label of the report: a try that was killed right here finds no manifest any more.
          else if (label !== undefined) await driver.expirePoint?.(label)
        }
        return { ...report, locked, held, ...(needed.length > 0 && { needed }) }
      })
    },

    /** Its time is of the run: a second try finds the note of the first, and one that comes late stands before what was said since. */
    async holdPoint({ repository, ...said }: Pick<Hold, 'source' | 'id' | 'held' | 'actor' | 'reason' | 'at'> & { repository?: string }) {
      const catalog = await catalogOf(said.source, repository)
      await catalog.readManifest(said.source, said.id)
      await catalog.addHold({ format: 'holdfast/v1', type: 'hold', ...said })
    },
  }
}

async function planOf(services: Services, source: string, repository: string | undefined): Promise<RetentionReport> {
  const { config } = services
  const configured = sourceOf(config, source)
  const place = repositoryOf(config, source, repository)
  const points = await (await services.catalog(place)).listPoints(source)
  const failed = standingFailures(points).map(({ id }) => id)
  const healthy = failed.length === 0
  const now = new Date()
  const plan = planRetention(points, retentionRules(configured, place), now, { healthy })
  const kept = points.filter(({ id }) => plan.keep.some((one) => one.id === id))
  const { move, stay } = planTransitions(kept, transitionsOf(config, place), now, { healthy })
  const label = new Map(points.map((point) => [point.id, point.label]))
  return {
    source,
    keep: plan.keep,
    delete: plan.delete.map(({ id, reason }) => ({ id, reason, ...(label.get(id) !== undefined && { label: label.get(id) }) })),
    locked: [],
    held: [],
    ...(failed.length > 0 && { failed }),
    ...(move.length > 0 && { move }),
    ...(stay.length > 0 && { stay }),
    ...(place === configured.repository ? besidePoints(config, configured) : besideCopies(config, configured, place)),
  }
}

/** Its archive, its log and its snapshots are where the source is: their time goes by the points of there. */
function besidePoints(config: Config, source: SourceConfig): Pick<RetentionReport, 'pitrWindow' | 'keepLogs' | 'keepSnapshots'> {
  const window = windowOf(source)
  const logs = keptLogs(config, source)
  const keep = 'keepSnapshots' in source ? source.keepSnapshots : undefined
  return {
    ...(window !== undefined && { pitrWindow: window }),
    ...(logs.length > 0 && { keepLogs: logs }),
    ...(keep !== undefined && { keepSnapshots: keep }),
  }
}

/** Of its log what was copied there. */
function besideCopies(config: Config, source: SourceConfig, repository: string): Pick<RetentionReport, 'repository' | 'keepLogs'> {
  const copied = copiedLogs(config, source, repository)
  const logs = keptLogs(config, source).filter(({ archive }) => copied.includes(archive))
  return { repository, ...(logs.length > 0 && { keepLogs: logs }) }
}

export type RetentionActivities = ReturnType<typeof createRetentionActivities>
