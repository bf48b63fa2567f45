/** NATS JetStream by its own snapshots: streams with their consumers, key-value and object buckets, restored into a private server. */
import { HoldfastError } from '../../core/errors.ts'
import { requireOneMoment } from '../common/one-moment.ts'
import type { DriverWiring, SourceDriver } from '../driver.ts'
import { capture } from './capture.ts'
import type { NatsSourceConfig } from './config.ts'
import { createLive } from './live.ts'
import { livePlace } from './places.ts'
import { preflight } from './preflight.ts'
import { restoreScratch } from './restore.ts'
import { destroyScratch } from './server.ts'
import { verify } from './verify.ts'

export const createDriver = async (config: NatsSourceConfig, wiring: Pick<DriverWiring, 'source' | 'secret'>): Promise<SourceDriver> => {
  const place = livePlace(config, wiring)
  return {
    kind: 'nats',
    capabilities: { pointInTime: false, incremental: false, hostBound: false, parts: true, choices: ['parts', 'mode'] },
    preflight: (context) => preflight(config, place, context),
    capture: (context, _request, sink) => capture(config, place, context, sink),
    async restore(context, manifest, source, { dir, to, choice }) {
      requireOneMoment('a snapshot', manifest, to)
      if (choice?.mode)
        throw new HoldfastError('INPUT_INVALID', 'a restore beside goes into an empty server: it has no "mode"', {
          object: `${manifest.source}/${manifest.id}`,
          next: 'leave mode out',
        })
      return restoreScratch(config, context, manifest, source, { dir, choice })
    },
    verify: (context, manifest, target, options) => verify(config, context, manifest, target, options),
    destroy: ({ dir }) => destroyScratch(dir),
    live: createLive(config, place),
  }
}
