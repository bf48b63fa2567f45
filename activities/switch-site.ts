/** Steps of a switch that run on one host of a pair: few and fat, each safe to run twice, each taking the epoch with it. */
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import type { DrainSummary, FenceSummary, PromoteSummary, SiteFacts } from '../src/contract/failover.ts'
import { HoldfastError } from '../src/core/errors.ts'
import { readCanary } from '../src/failover/database/canary.ts'
import { awaitReplayEnd, drainArchive } from '../src/failover/database/drain.ts'
import { fence } from '../src/failover/database/fence.ts'
import { awaitReach, promote } from '../src/failover/database/promote.ts'
import { revokePromotion } from '../src/failover/database/revoke.ts'
import { inspectSite } from '../src/failover/database/site.ts'
import { unfence } from '../src/failover/database/unfence.ts'
import { archiveOf } from './archive.ts'
import { withProgress } from './context.ts'
import type { Services } from './services.ts'
import { type Place, placeAt, stopTimeout } from './sites.ts'

interface Replayed {
  mustReach?: { lsn: string; timeline: number }
  mustPass?: string
  mayMiss?: boolean
  timeoutMs?: number
}

/** Longer than a standby's wal_retrieve_retry_interval has to be; each second here is a second of the outage. */
const QUIET_MS = 1_500

export function createSwitchActivities({ config }: Pick<Services, 'config'>) {
  const at: At = (place, context) => placeAt(config, place, context.signal)
  return { ...looking(config, at), ...switching(at) }
}

type At = (place: Place, context: { signal: AbortSignal }) => ReturnType<typeof placeAt>

function looking(config: Services['config'], at: At) {
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
          ...(state.waitsFor !== undefined && { waitsFor: state.waitsFor }),
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

    /**
     * The standby replays all there is: past a record where one is known, on its timeline where that is, else until
     * nothing more comes. Throws LAG_TOO_LARGE where it does not get there in time, unless it `mayMiss` the rest.
     */
    async awaitReplay(input: Place & Replayed): Promise<{ replayedLsn: string; reached: boolean }> {
      return withProgress(async (context) => {
        const { site } = await at(input, context)
        const { mustReach, mustPass, timeoutMs = 60_000 } = input
        if (mustReach) return { replayedLsn: await awaitReach(site, mustReach, timeoutMs), reached: true }
        const { replayedLsn, reached } = await awaitReplayEnd(site, {
          quietMs: QUIET_MS,
          timeoutMs,
          ...(mustPass !== undefined && { mustPass }),
        })
        if (!reached && !input.mayMiss)
          throw new HoldfastError(
            'LAG_TOO_LARGE',
            `site ${site.name} has replayed to ${replayedLsn}, the old side wrote past ${mustPass}`,
            {
              object: site.name,
              next: 'look at restore_command and the log of the standby, then retryStep; or skipStep to lose the rest',
            },
          )
        return { replayedLsn, reached }
      })
    },
  }
}

function switching(at: At) {
  return {
    async fenceOldPrimary(input: Place & { epoch: number; mode: 'planned' | 'unplanned' }): Promise<FenceSummary> {
      return withProgress(async (context) => {
        const { group, site } = await at(input, context)
        const report = await fence(site, {
          epoch: input.epoch,
          mode: input.mode,
          timeoutMs: stopTimeout(group),
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
  }
}
