/** A Temporal namespace: how it is set up, its schedules, the histories of its runs. What cannot be made again is kept to be read and replayed. */
import { HoldfastError } from '../../core/errors.ts'
import { requireOneMoment } from '../common/one-moment.ts'
import type { DriverWiring, SourceDriver } from '../driver.ts'
import type { BundleLimits } from './bundles.ts'
import { capture } from './capture.ts'
import type { TemporalSourceConfig } from './config.ts'
import { placeOf } from '../../temporal/namespace-session.ts'
import { createLive } from './live.ts'
import { preflight } from './preflight.ts'
import { restoreScratch } from './restore.ts'
import { destroyScratch } from './scratch.ts'
import { verify } from './verify.ts'

export type TemporalWiring = Pick<DriverWiring, 'source' | 'secret' | 'orchestrator'>

export const createDriver = async (config: TemporalSourceConfig, wiring: TemporalWiring): Promise<SourceDriver> =>
  createTemporal(config, wiring)

export function createTemporal(config: TemporalSourceConfig, wiring: TemporalWiring, limits?: BundleLimits): SourceDriver {
  const place = placeOf(config, wiring)
  return {
    kind: 'temporal',
    capabilities: {
      pointInTime: false,
      incremental: true,
      hostBound: false,
      parts: true,
      sharesObjects: true,
      choices: ['parts', 'mode'],
    },
    preflight: (context) => preflight(config, place, context),
    capture: (context, request, sink) => capture({ config, place, ...(limits && { limits }) }, context, request, sink),
    async restore(context, manifest, source, { dir, to, choice }) {
      requireOneMoment('an export', manifest, to)
      if (choice?.mode)
        throw new HoldfastError('INPUT_INVALID', 'a restore beside goes into a new namespace: it has no "mode"', {
          object: `${manifest.source}/${manifest.id}`,
          next: 'leave mode out',
        })
      return restoreScratch(config, wiring, context, manifest, source, { dir, choice })
    },
    verify: (context, manifest, target, options) => verify(config, wiring, context, manifest, target, options),
    destroy: ({ dir }) => destroyScratch(config, wiring, dir),
    live: createLive(config, place, wiring),
  }
}
