/** Steps that run on one host of a pair: few and fat, each safe to run twice, each taking the epoch with it. */
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import type { FailoverGroupConfig } from '../src/config/schema.ts'
import type { DrainSummary, FenceSummary, LostWrites, PromoteSummary, SiteFacts } from '../src/contract/failover.ts'
import { seconds } from '../src/core/duration.ts'
import { HoldfastError } from '../src/core/errors.ts'
import { stamp } from '../src/core/ids.ts'
import { readCanary } from '../src/failover/database/canary.ts'
import { awaitReplayEnd, drainArchive } from '../src/failover/database/drain.ts'
import { raiseEpoch } from '../src/failover/database/epoch.ts'
import { fence } from '../src/failover/database/fence.ts'
import { findFork } from '../src/failover/database/fork.ts'
import { removeKept } from '../src/failover/database/kept-copy.ts'
import { exportLostWrites } from '../src/failover/database/lost-writes.ts'
import { promote } from '../src/failover/database/promote.ts'
import { reclone } from '../src/failover/database/reclone.ts'
import { rejoin } from '../src/failover/database/rejoin.ts'
import { revokePromotion } from '../src/failover/database/revoke.ts'
import { rewind } from '../src/failover/database/rewind.ts'
import { inspectSite } from '../src/failover/database/site.ts'
import { awaitStreaming } from '../src/failover/database/streaming.ts'
import { unfence } from '../src/failover/database/unfence.ts'
import { createSink } from '../src/pipeline/capture.ts'
import { archiveOf } from './archive.ts'
import { type RunningContext, withProgress } from './context.ts'
import { type Services, sourceOf } from './services.ts'
import { groupOf, siteOf } from './sites.ts'

interface Place {
  group: string
  site: string
}
interface Against extends Place {
  primary: string
  epoch: number
}

/** Longer than a standby's wal_retrieve_retry_interval is by default would cost seconds of an outage; twice what the archive took is enough. */
const QUIET_MS = 1_500
const STREAM_MS = 120_000

export function createHostActivities(services: Services) {
  const { config } = services
  const at = async ({ group, site }: Place, context?: RunningContext) => {
    const found = groupOf(config, group)
    return { group: found, site: await siteOf(found, site, context?.signal) }
  }
  const against = async (place: Against, context: RunningContext) => {
    const { group, site } = await at(place, context)
    return {
      group,
      site,
      primary: await siteOf(group, place.primary, context.signal),
      epoch: place.epoch,
      archive: archiveOf(config, group, site),
      onProgress: (phase: string) => context.onProgress({ phase }),
    }
  }
  /** Into the repository of the pair's source, under a name that a second try finds again. */
  const lostSink = async (group: FailoverGroupConfig, name: string, lsn: string, context: RunningContext) => {
    const source = group.source ?? Object.keys(config.sources)[0]
    if (!source) throw new HoldfastError('CONFIG_INVALID', `The pair ${name} has no source: exported rows have no place`, { object: name })
    const { recipients, breakGlass } = config.encryption
    return createSink({
      store: await services.store(sourceOf(config, source).repository),
      prefix: `holdfast/v1/${source}/lost-${lsn.replace('/', '-').toLowerCase()}/${stamp(new Date())}/`,
      attempt: 1,
      recipients: breakGlass ? [...recipients, breakGlass] : recipients,
      signal: context.signal,
      onProgress: context.onProgress,
    })
  }
  return {
    async inspect(place: Place): Promise<SiteFacts> {
      return withProgress(async (context) => {
        const { site } = await at(place, context)
        const state = await inspectSite(site)
        const walReadable = await access(join(site.dataDir, 'pg_wal')).then(
          () => true,
          () => false,
        )
        return {
          reachable: true,
          running: state.running,
          role: state.role,
          pinned: state.pinned,
          epoch: state.epoch,
          walReadable,
          streaming: false,
          ...(state.answer !== undefined && { why: state.answer }),
          ...(state.timeline !== undefined && { timeline: state.timeline }),
          ...(state.lsn !== undefined && { lsn: state.lsn }),
        }
      })
    },

    async fenceOldPrimary(input: Place & { epoch: number; mode: 'planned' | 'unplanned' }): Promise<FenceSummary> {
      return withProgress(async (context) => {
        const { group, site } = await at(input, context)
        const wanted = group.fence.find((one) => one.type === 'stop-instance')
        const report = await fence(site, {
          epoch: input.epoch,
          mode: input.mode,
          timeoutMs: seconds(wanted?.timeout ?? '10s') * 1000,
          onStep: (phase) => context.onProgress({ phase }),
        })
        return {
          proved: report.proved,
          how: 'stop-instance',
          clean: report.cleanShutdown && report.controlState === 'shut down',
          lsn: report.lsn,
          timeline: report.timeline,
          killed: report.killed.length,
          startRefused: report.startRefused.message.slice(0, 300),
          preparedTransactions: report.preparedTransactions ?? [],
          seconds: Object.fromEntries(report.steps.map((step) => [step.name, step.seconds])),
        }
      })
    },

    async drainArchive(input: Place): Promise<Pick<DrainSummary, 'reachable' | 'segments' | 'detail'> & { lastRecord?: string }> {
      return withProgress(async (context) => {
        const { group, site } = await at(input, context)
        const archive = archiveOf(config, group, site)
        if (!archive) return { reachable: false, segments: 0, detail: 'the pair has no archive' }
        const drained = await drainArchive(site, archive.push)
        return {
          reachable: drained.reachable,
          segments: drained.segments.length,
          ...(drained.lastRecord !== undefined && { lastRecord: drained.lastRecord }),
          detail: drained.reachable ? `${drained.segments.length} segments pushed` : (drained.why ?? 'its log cannot be read'),
        }
      })
    },

    /** The standby replays all there is: past a record where one is known, else until nothing more comes. */
    async awaitReplay(input: Place & { mustPass?: string }): Promise<{ replayedLsn: string; reached: boolean }> {
      return withProgress(async (context) => {
        const { site } = await at(input, context)
        const end = await awaitReplayEnd(site, {
          quietMs: QUIET_MS,
          timeoutMs: 60_000,
          ...(input.mustPass !== undefined && { mustPass: input.mustPass }),
        })
        return { replayedLsn: end.replayedLsn, reached: end.reached }
      })
    },

    async promoteReplica(input: Place & { epoch: number; mustReach?: { lsn: string; timeline: number } }): Promise<PromoteSummary> {
      return withProgress(async (context) => {
        const { site } = await at(input, context)
        const last = await readCanary(site).catch(() => undefined)
        // The run recorded its point of no return before it sent this step: the schedule event is that record.
        const report = await promote(site, {
          epoch: input.epoch,
          recordNoReturn: async () => {},
          canary: site.database.canary,
          ...(input.mustReach && { mustReach: input.mustReach }),
        })
        return {
          timeline: report.timeline,
          forkLsn: report.forkLsn,
          alreadyPromoted: report.alreadyPromoted,
          seconds: report.seconds,
          ...(last && !report.alreadyPromoted && { lastCanary: last.at }),
        }
      })
    },

    /** No straggler of this run promotes the site any more; says whether one already did. */
    async revokePromotion(input: Place & { epoch: number }): Promise<{ promoted: boolean }> {
      return withProgress(async (context) => {
        const { promoted } = await revokePromotion((await at(input, context)).site, input.epoch)
        return { promoted }
      })
    },

    async unfence(input: Place & { epoch: number }): Promise<void> {
      await withProgress(async (context) => unfence((await at(input, context)).site, input.epoch))
    },

    async exportLostWrites(input: Place & { primary: string; epoch: number }): Promise<LostWrites> {
      return withProgress(async (context) => {
        const { group, site, primary, archive, onProgress } = await against(input, context)
        if ((await inspectSite(site)).role === 'standby') return { known: true, transactions: 0, tables: [], exported: [], bytes: 0 }
        const fork = await findFork(site, primary)
        const report = await exportLostWrites({
          old: site,
          fork,
          sink: await lostSink(group, input.group, fork.lsn, context),
          archiveGet: archive?.get,
          onProgress,
        })
        if (report.unknown) return { known: false, why: report.why, transactions: 0, tables: [], exported: [], bytes: 0 }
        const tables = report.tables.map(({ database, name, rows, deletes }) => ({ name: `${database}.${name}`, rows, deletes }))
        return { known: true, transactions: report.transactions, tables, exported: report.files, bytes: report.bytes }
      })
    },

    async rewindOldPrimary(input: Against): Promise<{ method: string }> {
      return withProgress(async (context) => {
        const { site, primary, epoch, archive, onProgress } = await against(input, context)
        if ((await inspectSite(site)).role === 'standby') return { method: 'none' }
        const fork = await findFork(site, primary)
        await raiseEpoch(site, epoch)
        await rewind({ site, primary, fork, epoch, restoreCommand: archive?.restoreCommand, onProgress })
        return { method: 'rewind' }
      })
    },

    async recloneOldPrimary(input: Against): Promise<{ method: string }> {
      return withProgress(async (context) => {
        const { site, primary, epoch, onProgress } = await against(input, context)
        await raiseEpoch(site, epoch)
        const fork = await findFork(site, primary).catch((error: unknown) => {
          if (error instanceof HoldfastError && error.code === 'TARGET_AMBIGUOUS') return undefined
          throw error
        })
        await reclone({ site, primary, fork, epoch, onProgress })
        return { method: 'reclone' }
      })
    },

    /** After a clean switch: the demoted side streams from the new primary, no rewind needed. */
    async rejoinStandby(input: Against): Promise<void> {
      await withProgress(async (context) => {
        const { site, primary, epoch } = await against(input, context)
        await rejoin({ site, primary, epoch })
      })
    },

    async awaitStreaming(input: Place & { primary: string; epoch: number }): Promise<{ streaming: boolean; slot: string }> {
      return withProgress(async (context) => {
        const { site, primary, epoch } = await against(input, context)
        const { streaming, slot } = await awaitStreaming(primary, site, { timeoutMs: STREAM_MS, epoch })
        return { streaming, slot }
      })
    },

    async removeKept(input: Place): Promise<void> {
      await withProgress(async (context) => removeKept((await at(input, context)).site))
    },
  }
}
export type HostActivities = ReturnType<typeof createHostActivities>
