/** A store of one's own: capture, restore and verify are programs that its owner gives. */
import { requireOneMoment } from '../common/one-moment.ts'
import type { DriverWiring, SourceDriver } from '../driver.ts'
import { createCaller } from './call.ts'
import { capture } from './capture.ts'
import type { CommandSourceConfig } from './config.ts'
import { createLive } from './live.ts'
import { preflight } from './preflight.ts'
import { destroy, restoreScratch } from './restore.ts'
import { verify } from './verify.ts'

export const createDriver = async (config: CommandSourceConfig, wiring: DriverWiring): Promise<SourceDriver> =>
  createCommand(config, wiring)

export function createCommand(config: CommandSourceConfig, wiring: Pick<DriverWiring, 'source' | 'secret'>): SourceDriver {
  const caller = createCaller(config, wiring)
  const live = createLive(caller)
  return {
    kind: 'command',
    capabilities: { pointInTime: false, incremental: false, hostBound: config.host !== undefined, parts: false },
    preflight: (context) => preflight(caller, context),
    capture: (context, request, sink) => capture(caller, context, request, sink),
    async restore(context, manifest, source, { dir, to }) {
      requireOneMoment('a capture', manifest, to)
      return restoreScratch(caller, context, manifest, source, dir)
    },
    verify: (context, manifest, { kind, dir }, options) =>
      verify(caller, context, manifest, kind === 'live' ? { target: 'live' } : { target: 'scratch', dir }, options),
    destroy: ({ dir }) => destroy(caller, dir),
    ...(live && { live }),
  }
}
