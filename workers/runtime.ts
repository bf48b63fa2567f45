/** The SDK's own messages in the form of ours: one structured line each, with secrets hidden. */
import { DefaultLogger, Runtime } from '@temporalio/worker'
import { logger } from '../src/observability/logs.ts'

const LEVELS = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const

/** Before the first worker or connection of the process. HOLDFAST_LOG_LEVEL chooses what is shown. */
export function installRuntime(): void {
  const log = logger('temporal')
  Runtime.install({ logger: new DefaultLogger('INFO', ({ level, message, meta }) => log[LEVELS[level]]({ ...meta }, message)) })
}
