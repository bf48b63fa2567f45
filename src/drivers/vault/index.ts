/** Vault and OpenBao with raft storage: a snapshot whose inner checksums are checked, restored with the guards that a seal needs. */
import { requireOneMoment } from '../common/one-moment.ts'
import type { DriverWiring, SourceDriver } from '../driver.ts'
import { capture } from './capture.ts'
import type { VaultSourceConfig } from './config.ts'
import { createLive } from './live.ts'
import { preflight } from './preflight.ts'
import { restoreScratch } from './restore.ts'
import { destroy } from './scratch.ts'
import type { Work } from './server.ts'
import { verify } from './verify.ts'

export async function createDriver(
  config: VaultSourceConfig,
  { source, secret }: Pick<DriverWiring, 'source' | 'secret'>,
): Promise<SourceDriver> {
  const work: Work = { config, source, secret }
  return {
    kind: 'vault',
    capabilities: { pointInTime: false, incremental: false, hostBound: false, parts: false, choices: ['mode'] },
    preflight: (context) => preflight(work, context),
    capture: (context, _request, sink) => capture(work, context, sink),
    async restore(context, manifest, artifacts, { to, dir }) {
      requireOneMoment('a snapshot', manifest, to)
      return restoreScratch(work, context, manifest, artifacts, dir)
    },
    verify: (context, manifest, target, options) => verify(work, context, manifest, target, options),
    destroy: ({ dir }) => destroy(work, dir),
    live: createLive(work),
  }
}
