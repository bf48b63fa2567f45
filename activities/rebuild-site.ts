/** Steps that make a fenced side a standby again: what only it has is exported first, and nothing is changed before that. */
import { recipientsOf } from '../src/config/recipients.ts'
import type { Config, FailoverGroupConfig } from '../src/config/schema.ts'
import type { LostWrites } from '../src/contract/failover.ts'
import { HoldfastError } from '../src/core/errors.ts'
import { stamp } from '../src/core/ids.ts'
import { fence } from '../src/failover/database/fence.ts'
import { type Fork, findFork, forkOrNone, isApart } from '../src/failover/database/fork.ts'
import { exists, removeExported, unexported } from '../src/failover/database/kept-copy.ts'
import { exportLostWrites, type LostReport } from '../src/failover/database/lost-writes.ts'
import { foldersOf } from '../src/failover/database/rebuild-folders.ts'
import { reclone } from '../src/failover/database/reclone.ts'
import { rejoin } from '../src/failover/database/rejoin.ts'
import { rewind } from '../src/failover/database/rewind.ts'
import { inspectSite, type Site } from '../src/failover/database/site.ts'
import { type Had, hadOf, hasCluster, makePlace } from '../src/failover/database/standby.ts'
import { awaitStreaming } from '../src/failover/database/streaming.ts'
import { createSink } from '../src/pipeline/capture.ts'
import { archiveOf } from './archive.ts'
import { type RunningContext, withProgress } from './context.ts'
import { type Services, sourceOf } from './services.ts'
import { type Place, placeAt, siteOf, stopTimeout } from './sites.ts'

interface Against extends Place {
  primary: string
  epoch: number
  /** Nobody needs what it had: all of it came from its primary. */
  worthless?: boolean
}

interface Rebuilt {
  method: 'none' | 'rewind' | 'reclone'
  /** Folder of the old data. */
  kept?: string
}

const STREAM_MS = 120_000
const NOTHING = { transactions: 0, tables: [], exported: [], bytes: 0, warnings: [] }

export function createRebuildActivities(services: Pick<Services, 'config' | 'store'>) {
  const { config } = services
  return {
    async exportLostWrites(input: Place & { primary: string; epoch: number }): Promise<LostWrites> {
      return withProgress(async (context) => {
        const { group, site, primary, archive, onProgress } = await against(config, input, context)
        const fork = await forkToExport(site, primary)
        if (!fork) return { known: true, ...NOTHING }
        const report = await exportLostWrites({
          old: site,
          fork,
          sink: await lostSink(services, group, fork.lsn, context),
          archiveGet: archive?.get,
          onProgress,
        })
        return lostOf(report)
      })
    },

    async rewindOldPrimary(input: Against): Promise<Rebuilt> {
      return withProgress(async (context) => {
        const { site, primary, epoch, archive, onProgress } = await against(config, input, context)
        if ((await inspectSite(site)).role === 'standby') return { method: 'none', ...(await keptOf(site)) }
        const fork = await forkOrNone(site, primary)
        await rewind({ site, primary, fork, epoch, restoreCommand: archive?.restoreCommand, onProgress, worthless: input.worthless })
        return { method: 'rewind', ...(await keptOf(site)) }
      })
    },

    async recloneOldPrimary(input: Against): Promise<Rebuilt> {
      return withProgress(async (context) => {
        const { site, primary, epoch, onProgress } = await against(config, input, context)
        const fork = await forkOrNone(site, primary)
        await reclone({ site, primary, fork, epoch, onProgress, worthless: input.worthless })
        return { method: 'reclone', ...(await keptOf(site)) }
      })
    },

    /** Nobody starts it until it is rebuilt. Throws NOT_READY where it takes writes. */
    async retireStandby(input: Place & { epoch: number }): Promise<void> {
      await withProgress(async (context) => {
        const { group, site } = await placeAt(config, input, context.signal)
        if (!(await hasCluster(site))) return makePlace(site)
        if ((await inspectSite(site)).role === 'primary')
          throw new HoldfastError('NOT_READY', `${site.name} takes writes`, { object: site.name, next: 'fence one side at once' })
        await fence(site, {
          epoch: input.epoch,
          mode: 'unplanned',
          timeoutMs: stopTimeout(group),
          onStep: (phase) => context.onProgress({ phase }),
        })
      })
    },

    /** Of a side that does not run: what it may have that its primary has not. */
    async lookAtRetired(input: Place & { primary: string }): Promise<{ had: Had }> {
      return withProgress(async (context) => {
        const { group, site } = await placeAt(config, input, context.signal)
        return { had: await hadOf(site, await siteOf(group, input.primary, context.signal)) }
      })
    },

    /** Whether the primary has gone another way than what is there: a restore has come between them. */
    async isApart(input: Place & { primary: string }): Promise<{ apart: boolean }> {
      return withProgress(async (context) => {
        const { group, site } = await placeAt(config, input, context.signal)
        return { apart: await isApart(site, await siteOf(group, input.primary, context.signal)) }
      })
    },

    /** After a clean switch: the demoted side streams from the new primary, no rewind needed. */
    async rejoinStandby(input: Against): Promise<void> {
      await withProgress(async (context) => {
        const { site, primary, epoch } = await against(config, input, context)
        await rejoin({ site, primary, epoch })
      })
    },

    async awaitStreaming({
      timeoutMs = STREAM_MS,
      ...input
    }: Place & { primary: string; epoch: number; timeoutMs?: number }): Promise<{ streaming: boolean; slot: string }> {
      return withProgress(async (context) => {
        const { site, primary, epoch } = await against(config, input, context)
        const { streaming, slot } = await awaitStreaming(primary, site, { timeoutMs, epoch })
        return { streaming, slot }
      })
    },

    /** Of a site that streams. Gives the folder of a copy that stays because not all of it is exported. */
    async removeKept(input: Place): Promise<{ kept?: string }> {
      return withProgress(async (context) => {
        const kept = await removeExported((await placeAt(config, input, context.signal)).site)
        return kept === undefined ? {} : { kept }
      })
    },
  }
}

/** A standby has nothing of its own but what an earlier failback kept of it and did not export; undefined where it has none. */
async function forkToExport(site: Site, primary: Site): Promise<Fork | undefined> {
  if ((await inspectSite(site)).role !== 'standby') return findFork(site, primary)
  const left = await unexported(foldersOf(site.dataDir))
  return left && (left.note ?? { timeline: 0, lsn: 'unknown' })
}

function lostOf(report: LostReport): LostWrites {
  if (report.unknown) return { known: false, why: report.why, ...NOTHING }
  const { transactions, files, bytes, warnings } = report
  const tables = report.tables.map(({ database, name, rows, deletes }) => ({ name: `${database}.${name}`, rows, deletes }))
  return { known: true, transactions, tables, exported: files, bytes, warnings }
}

async function keptOf(site: Site): Promise<{ kept?: string }> {
  const { kept } = foldersOf(site.dataDir)
  return (await exists(kept)) ? { kept } : {}
}

async function against(config: Config, place: Against, context: RunningContext) {
  const { group, site } = await placeAt(config, place, context.signal)
  return {
    group,
    site,
    primary: await siteOf(group, place.primary, context.signal),
    epoch: place.epoch,
    archive: archiveOf(config, group, site),
    onProgress: (phase: string) => context.onProgress({ phase }),
  }
}

/** Into the repository of the pair's source: encrypted rows, beside the points and never taken for one. */
async function lostSink(
  { config, store }: Pick<Services, 'config' | 'store'>,
  group: FailoverGroupConfig,
  lsn: string,
  context: RunningContext,
) {
  const source = group.source ?? Object.keys(config.sources)[0]
  if (!source)
    throw new HoldfastError('CONFIG_INVALID', 'The pair has no source: exported rows have no place', {
      next: 'name the physical source of the pair in failoverGroups',
    })
  return createSink({
    store: await store(sourceOf(config, source).repository),
    prefix: `holdfast/v1/${source}/lost-${lsn.replace('/', '-').toLowerCase()}/${stamp(new Date())}/`,
    attempt: 1,
    recipients: recipientsOf(config.encryption),
    signal: context.signal,
    onProgress: context.onProgress,
  })
}
