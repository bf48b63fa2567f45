/** A database by pg_dump: every part in one snapshot, restored into a private instance, compared table by table. */
import { requireOneMoment } from '../common/one-moment.ts'
import type { LogicalSourceConfig } from './config.ts'
import type { DriverWiring, SourceDriver } from '../driver.ts'
import { destroyInstance } from '../postgres-common/instance.ts'
import { mark } from '../postgres-common/mark.ts'
import { createAdoption } from './adopt.ts'
import { capture } from './capture.ts'
import { createLive } from './live.ts'
import { preflight } from './preflight.ts'
import { restoreScratch } from './restore.ts'
import { verify } from './verify.ts'

export interface LogicalTuning {
  /** How long a table that somebody has locked is waited for; 60 s by default. */
  lockWaitMs?: number
}

export const createDriver = async (config: LogicalSourceConfig, wiring: DriverWiring): Promise<SourceDriver> =>
  createPostgresLogical(config, await wiring.connection())

export function createPostgresLogical(config: LogicalSourceConfig, connection: string, tuning: LogicalTuning = {}): SourceDriver {
  return {
    kind: 'postgres-logical',
    capabilities: { pointInTime: false, incremental: false, hostBound: false, parts: true },
    mark: (_, label) => mark(connection, label),
    preflight: (context) => preflight(config, connection, context),
    capture: (context, request, sink) => capture({ config, connection, lockWaitMs: tuning.lockWaitMs ?? 60_000 }, context, request, sink),
    async restore(context, manifest, source, { dir, to }) {
      requireOneMoment('a dump', manifest, to, 'choose the recovery point by its id, or use a physical source')
      return restoreScratch(config, context, manifest, source, dir)
    },
    verify: (context, manifest, target, options) => verify(config, context, manifest, target, options),
    destroy: ({ dir }) => destroyInstance(dir),
    adoption: createAdoption(config, connection),
    live: createLive(config, connection),
  }
}
