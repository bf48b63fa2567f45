/** How a program's end is put into words: what ran, how it ended, the last it said. Never its environment or input. */
import { HoldfastError } from '../core/errors.ts'
import { type Command, describe } from './command.ts'
import type { Exit } from './launch.ts'

const TAIL_LINES = 8
const TAIL_CHARS = 1500

export interface Ended {
  command: Command
  exit: Exit
  stderr: string
}

export function howItEnded({ code, signal }: Exit): string {
  if (signal) return `was ended by ${signal}`
  return code === null ? 'could not be started' : `exited with ${code}`
}

/** The last lines of what a program printed on stderr, without the secrets it was given. */
export function tailOf(stderr: string, command: Command): string {
  const tail = masked(stderr, command).trimEnd().split('\n').slice(-TAIL_LINES).join('\n')
  return tail.length > TAIL_CHARS ? `…${tail.slice(-TAIL_CHARS)}` : tail
}

export function processFailed(ended: Ended, details: Record<string, unknown> = {}): HoldfastError {
  const { command, exit, stderr } = ended
  const tail = tailOf(stderr, command)
  return new HoldfastError('PROCESS_FAILED', `${describe(command)} ${howItEnded(exit)}${tail ? `: ${tail}` : ''}`, {
    object: command.program,
    details: { command: describe(command), exitCode: exit.code, signal: exit.signal, stderr: tail, ...details },
  })
}

export function cancelled(what: string, signal: AbortSignal | undefined): HoldfastError {
  return new HoldfastError('CANCELLED', `${what} was cancelled`, { object: what, cause: signal?.reason })
}

// Programs may repeat a secret of their environment, as in an error about a bad connection string.
function masked(text: string, command: Command): string {
  let result = text
  for (const [name, value] of Object.entries(command.env ?? {})) {
    if (/PASS|SECRET|TOKEN|KEY|CREDENTIAL/i.test(name) && value.length > 3) result = result.replaceAll(value, '***')
  }
  return result
}
