/** Steps that make a fenced side a standby again: what only it has is exported first, and nothing is changed before that. */
import type { Config, FailoverGroupConfig } from '../src/config/schema.ts'
import type { LostWrites } from '../src/contract/failover.ts'
import { HoldfastError } from '../src/core/errors.ts'
import { stamp } from '../src/core/ids.ts'
import { findFork, forkOrNone } from '../src/failover/database/fork.ts'
import { removeKept } from '../src/failover/database/kept-copy.ts'
import { exportLostWrites } from '../src/failover/database/lost-writes.ts'
import { reclone } from '../src/failover/database/reclone.ts'
import { rejoin } from '../src/failover/database/rejoin.ts'
import { rewind } from '../src/failover/database/rewind.ts'
import { inspectSite } from '../src/failover/database/site.ts'
import { awaitStreaming } from '../src/failover/database/streaming.ts'
import { createSink } from '../src/pipeline/capture.ts'
import { archiveOf } from './archive.ts'
import { type RunningContext, withProgress } from './context.ts'
import { type Services, sourceOf } from './services.ts'
import { type Place, placeAt, siteOf } from './sites.ts'

interface Against extends Place {
  primary: string
  epoch: number
}

const STREAM_MS = 120_000

export function createRebuildActivities(services: Pick<Services, 'config' | 'store'>) {
  const { config } = services
  return {
    async exportLostWrites(input: Place & { primary: string; epoch: number }): Promise<LostWrites> {
      return withProgress(async (context) => {
        const { group, site, primary, archive, onProgress } = await against(config, input, context)
        if ((await inspectSite(site)).role === 'standby') return { known: true, transactions: 0, tables: [], exported: [], bytes: 0 }
        const fork = await findFork(site, primary)
        const report = await exportLostWrites({
          old: site,
          fork,
          sink: await lostSink(services, group, fork.lsn, context),
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
        const { site, primary, epoch, archive, onProgress } = await against(config, input, context)
        if ((await inspectSite(site)).role === 'standby') return { method: 'none' }
        const fork = await forkOrNone(site, primary)
        await rewind({ site, primary, fork, epoch, restoreCommand: archive?.restoreCommand, onProgress })
        return { method: 'rewind' }
      })
    },

    async recloneOldPrimary(input: Against): Promise<{ method: string }> {
      return withProgress(async (context) => {
        const { site, primary, epoch, onProgress } = await against(config, input, context)
        const fork = await forkOrNone(site, primary)
        await reclone({ site, primary, fork, epoch, onProgress })
        return { method: 'reclone' }
      })
    },

    /** After a clean switch: the demoted side streams from the new primary, no rewind needed. */
    async rejoinStandby(input: Against): Promise<void> {
      await withProgress(async (context) => {
        const { site, primary, epoch } = await against(config, input, context)
        await rejoin({ site, primary, epoch })
      })
    },

    async awaitStreaming(input: Place & { primary: string; epoch: number }): Promise<{ streaming: boolean; slot: string }> {
      return withProgress(async (context) => {
        const { site, primary, epoch } = await against(config, input, context)
        const { streaming, slot } = await awaitStreaming(primary, site, { timeoutMs: STREAM_MS, epoch })
        return { streaming, slot }
      })
    },

    async removeKept(input: Place): Promise<void> {
      await withProgress(async (context) => removeKept((await placeAt(config, input, context.signal)).site))
    },
  }
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
  const { recipients, breakGlass } = config.encryption
  return createSink({
    store: await store(sourceOf(config, source).repository),
    prefix: `holdfast/v1/${source}/lost-${lsn.replace('/', '-').toLowerCase()}/${stamp(new Date())}/`,
    attempt: 1,
    recipients: breakGlass ? [...recipients, breakGlass] : recipients,
    signal: context.signal,
    onProgress: context.onProgress,
  })
}
