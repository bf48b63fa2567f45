/** Stopping a program with everything it started: asked first, forced after a while. */
import { HoldfastError } from '../core/errors.ts'
import { describe } from './command.ts'
import { groupAlive } from './group.ts'
import type { Launched } from './launch.ts'
import { until } from './wait.ts'

export interface TerminateOptions {
  /** How long it may take to end by itself; 10 s by default. */
  graceMs?: number
  /** What it is asked with; SIGTERM by default. */
  signal?: NodeJS.Signals
}

const FORCED_MS = 10_000

/**
 * Resolves once the program and every member of its process group are gone. May be called twice, and on a program that
 * has ended: what it left behind in its group is stopped too.
 */
export async function terminate(launched: Launched, { graceMs = 10_000, signal = 'SIGTERM' }: TerminateOptions = {}): Promise<void> {
  const { pid, command } = launched
  if (launched.allGone()) return
  signalGroup(pid, signal)
  if (await gone(pid, graceMs)) return
  signalGroup(pid, 'SIGKILL')
  if (await gone(pid, FORCED_MS)) return
  throw new HoldfastError(
    'PROCESS_TIMEOUT',
    `${describe(command)} (process group ${pid}) is still there ${FORCED_MS / 1000} s after SIGKILL`,
    {
      object: command.program,
      next: `look at what it waits for: cat /proc/${pid}/stack`,
    },
  )
}

async function gone(group: number, timeoutMs: number): Promise<boolean> {
  const what = `process group ${group} to end`
  return until(() => !groupAlive(group), { timeoutMs, everyMs: 20, what }).catch(() => !groupAlive(group))
}

function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
