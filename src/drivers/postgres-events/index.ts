/** An event store on PostgreSQL: its log, outbox, watermarks and lenses in one snapshot, restored whole, to a number of the log, or lens by lens. */
import type { DriverWiring, SourceDriver } from '../driver.ts'
import { destroyInstance } from '../postgres-common/instance.ts'
import { mark } from '../postgres-common/mark.ts'
import { createEventsAdoption } from './adopt.ts'
import { capture } from './capture.ts'
import type { EventsSourceConfig } from './config.ts'
import { createEventsLive } from './live.ts'
import { preflight } from './preflight.ts'
import { plan, restore } from './restore.ts'
import { verify } from './verify.ts'

export interface EventsTuning {
  /** How long a table that somebody has locked is waited for; 60 s by default. */
  lockWaitMs?: number
  /** How long a capture waits for those who have taken a number; 5 s by default. */
  settleMs?: number
}

export const createDriver = async (config: EventsSourceConfig, wiring: DriverWiring): Promise<SourceDriver> =>
  createPostgresEvents(config, await wiring.connection())

export function createPostgresEvents(config: EventsSourceConfig, connection: string, tuning: EventsTuning = {}): SourceDriver {
  const { lockWaitMs = 60_000, settleMs = 5_000 } = tuning
  return {
    kind: 'postgres-events',
    capabilities: { pointInTime: true, incremental: false, hostBound: false, parts: true, choices: ['parts', 'mode', 'toSequence'] },
    mark: (_, label) => mark(connection, label),
    preflight: (context) => preflight(config, connection, context),
    capture: (context, request, sink) => capture({ config, connection, lockWaitMs, settleMs }, context, request, sink),
    restore: (context, manifest, source, options) => restore(config, context, manifest, source, options),
    plan: async (target, manifests) => plan(target, manifests),
    verify: (context, manifest, target, options) => verify(config, context, manifest, target, options),
    destroy: ({ dir }) => destroyInstance(dir),
    adoption: createEventsAdoption(config, connection),
    live: createEventsLive(config, connection),
  }
}
