/** Structured logs on stderr: stdout belongs to what a command answers. */
import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino'
import { redact } from './redaction.ts'

export type { Logger } from 'pino'

/** Writes each line to `write`, with secrets hidden: whatever field, message or stack they are in. */
export function createLogger(write: (line: string) => void, level = 'info'): Logger {
  const options: LoggerOptions = {
    level,
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    errorKey: 'error',
  }
  const destination: DestinationStream = { write: (line) => write(redact(line)) }
  return pino(options, destination)
}

let root: Logger | undefined

/** The logger of one component. HOLDFAST_LOG_LEVEL is one of trace, debug, info (the default), warn, error. */
export function logger(component: string): Logger {
  root ??= createLogger((line) => process.stderr.write(line), process.env.HOLDFAST_LOG_LEVEL || 'info')
  return root.child({ component })
}
