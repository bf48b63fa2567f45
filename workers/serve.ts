/** `holdfast worker`: runs until it is told to stop, then lets go of what it does in order. */
import type { ServeOptions } from '../src/cli/context.ts'
import { loadConfig } from '../src/config/load.ts'
import { logger } from '../src/observability/logs.ts'
import { installRuntime } from './runtime.ts'
import { parseRoles, startWorker } from './worker.ts'

const log = logger('worker')

export async function serve({ configFile, roles, onReady }: ServeOptions): Promise<void> {
  const config = await loadConfig(configFile)
  installRuntime()
  const worker = await startWorker(config, parseRoles(roles))
  log.info({ roles, address: config.temporal.address }, 'serving')
  onReady({ address: config.temporal.address, roles })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      log.info({ signal }, 'stopping')
      void worker.stop()
    })
  }
  await worker.ended
}
