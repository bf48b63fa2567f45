/** Qdrant: snapshots of every collection on every node, an export beside them, restored under other names and compared. */
import { requireOneMoment } from '../common/one-moment.ts'
import type { DriverWiring, SourceDriver } from '../driver.ts'
import { capture } from './capture.ts'
import type { QdrantSourceConfig } from './config.ts'
import { createLive } from './live.ts'
import { preflight } from './preflight.ts'
import { removeSnapshots } from './removal.ts'
import { restoreScratch } from './restore.ts'
import { destroy } from './scratch.ts'
import { makeSnapshots } from './snapshot.ts'
import { verify } from './verify.ts'
import type { Work } from './work.ts'

export async function createDriver(
  config: QdrantSourceConfig,
  { source, secret }: Pick<DriverWiring, 'source' | 'secret'>,
): Promise<SourceDriver> {
  const work: Work = { config, source, secret }
  return {
    kind: 'qdrant',
    capabilities: { pointInTime: false, incremental: false, hostBound: false, parts: true, choices: ['parts', 'into', 'mode'] },
    preflight: (context) => preflight(work, context),
    snapshot: (context, request) => makeSnapshots(work, context, request),
    removeSnapshot: (context, id) => removeSnapshots(work, context, id),
    capture: (context, request, sink) => capture(work, context, request, sink),
    async restore(context, manifest, artifacts, { to, ...options }) {
      requireOneMoment('a snapshot', manifest, to)
      return restoreScratch(work, context, manifest, artifacts, options)
    },
    verify: (context, manifest, target, options) => verify(work, context, manifest, target, options),
    destroy: ({ dir }) => destroy(work, dir),
    live: createLive(work),
  }
}
