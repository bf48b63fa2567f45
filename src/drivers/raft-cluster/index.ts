/** A Raft cluster with an admin API: hot and cold snapshots, proofs on a node of its own, the cluster brought back from one node. */
import type { DriverContext, DriverWiring, SnapshotKeeping, SourceDriver } from '../driver.ts'
import { capture } from './capture.ts'
import { leaderOf } from './cluster.ts'
import type { RaftClusterConfig } from './config.ts'
import { isDue } from './due.ts'
import { createLive } from './live.ts'
import type { Origin } from './node.ts'
import { planLog } from './old-log.ts'
import { expireSnapshots } from './old-snapshots.ts'
import { resumeOurs } from './pause.ts'
import { preflight } from './preflight.ts'
import { destroy, restore } from './restore.ts'
import { makeStage, removeStage } from './stage.ts'
import { verify } from './verify.ts'
import { archiveOfSource, baseFor, openArchive, windowOf } from './wal.ts'

export async function createDriver(
  config: RaftClusterConfig,
  { source, archive }: Pick<DriverWiring, 'source' | 'archive'>,
): Promise<SourceDriver> {
  const origin: Origin = { config, source, ...(archive && { archive }) }
  return {
    kind: 'raft-cluster',
    capabilities: { pointInTime: true, incremental: false, hostBound: true, parts: false, choices: ['to'] },
    preflight: (context) => preflight(origin, context),
    snapshot: (context, request) => makeStage(origin, context, request),
    async removeSnapshot(context, id) {
      await resumeOurs(origin, context, id)
      await removeStage(origin, id, context.signal)
    },
    async mark({ signal }) {
      const { node, metrics } = await leaderOf(config, signal)
      return { leader: node.name, index: String(metrics.appliedIndex), entries: String(metrics.totalEntries) }
    },
    capture: (context, request, sink) => capture(origin, context, request, sink),
    restore(context, manifest, artifacts, { dir, to, choice }) {
      const until = to ?? (choice?.to === undefined ? undefined : { time: choice.to })
      return restore(origin, context, manifest, artifacts, { dir, ...(until && { to: until }) })
    },
    verify: (context, manifest, target, options) => verify(origin, context, manifest, target, options),
    live: createLive(origin),
    async plan(to, manifests) {
      const base = await baseFor(origin, to, manifests)
      return { label: base.id, timeline: 1, pointId: base.id }
    },
    window: async () => windowOf(await openArchive(origin, archiveOfSource(config))),
    planLog: (keeping) => planLog(config, keeping),
    due: (context, newest) => isDue(config, context, newest),
    ...(config.keepSnapshots !== undefined && {
      expireSnapshots: (context: DriverContext, keeping: SnapshotKeeping) => expireSnapshots(origin, context, keeping),
    }),
    destroy: ({ dir }) => destroy(dir),
  }
}
