/** Redis and FalkorDB: the RDB of one moment, loaded and described before it counts; each graph as Cypher beside it. */
import { requireOneMoment } from '../common/one-moment.ts'
import type { DriverWiring, SourceDriver } from '../driver.ts'
import { capture, removeSnapshot, snapshot } from './capture.ts'
import type { RedisSourceConfig } from './config.ts'
import { createLive } from './live.ts'
import { preflight } from './preflight.ts'
import { restoreScratch } from './restore.ts'
import { destroyScratch } from './scratch.ts'
import { verify } from './verify.ts'
import { workOf } from './work.ts'

export async function createDriver(config: RedisSourceConfig, wiring: Pick<DriverWiring, 'source' | 'secret'>): Promise<SourceDriver> {
  const work = workOf(config, wiring)
  return {
    kind: 'redis',
    capabilities: {
      pointInTime: false,
      incremental: false,
      hostBound: config.fetch === 'folder',
      parts: true,
      choices: ['parts', 'into', 'mode'],
    },
    preflight: (context) => preflight(work, context),
    snapshot: (context, request) => snapshot(work, context, request),
    removeSnapshot: (_, id) => removeSnapshot(work, id),
    capture: (context, request, sink) => capture(work, context, request, sink),
    async restore(context, manifest, source, { to, ...options }) {
      requireOneMoment('an RDB', manifest, to)
      return restoreScratch(config, context, manifest, source, options)
    },
    verify: (context, manifest, target, options) => verify(config, context, manifest, target, options),
    destroy: ({ dir }) => destroyScratch(dir),
    live: createLive(work),
  }
}
