/** One program, run to its end, with its output. */
import { HoldfastError } from '../core/errors.ts'
import { type Command, describe } from './command.ts'
import { cancelled, processFailed, tailOf } from './failure.ts'
import { type Exit, type Launched, launch } from './launch.ts'
import { drained, keepHead, keepTail, type Output } from './output.ts'
import { terminate } from './terminate.ts'

export interface RunOptions {
  signal?: AbortSignal
  timeoutMs?: number
  /** Exit codes that are no failure; only 0 by default. */
  accept?: number[]
  /** Kept of each of stdout (its beginning) and stderr (its end); the rest is read and marked as cut. 16 MiB by default. */
  maxOutputBytes?: number
  /** How long it may take to end by itself when it is stopped; 10 s by default. */
  graceMs?: number
}

export interface RunResult {
  exitCode: number
  stdout: string
  stderr: string
  durationMs: number
  /** True where stdout or stderr was longer than what is kept. */
  truncated: boolean
}

const MAX_OUTPUT = 16 * 1024 * 1024

/**
 * Runs the command. Throws TOOL_MISSING, PROCESS_FAILED (an exit code that is not accepted), PROCESS_TIMEOUT or
 * CANCELLED; the last two only once the program and its children are gone.
 */
export async function run(command: Command, options: RunOptions = {}): Promise<RunResult> {
  if (options.signal?.aborted) throw cancelled(describe(command), options.signal)
  const startedAt = performance.now()
  const launched = launch(command, [command.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'])
  const output = collect(launched, options.maxOutputBytes ?? MAX_OUTPUT)
  const exit = await exitOrStop(launched, options, output.stderr)
  await drained(launched.child.stdout, launched.child.stderr)
  const stderr = output.stderr.text()
  if (exit.code === null || !(options.accept ?? [0]).includes(exit.code)) throw processFailed({ command, exit, stderr })
  return {
    exitCode: exit.code,
    stdout: output.stdout.text(),
    stderr,
    durationMs: Math.round(performance.now() - startedAt),
    truncated: output.stdout.truncated() || output.stderr.truncated(),
  }
}

function collect({ child, command }: Launched, maxBytes: number): { stdout: Output; stderr: Output } {
  // A program that does not read its input is judged by its exit code.
  child.stdin?.on('error', () => {})
  child.stdin?.end(command.stdin)
  if (!child.stdout || !child.stderr) throw new Error('a program is run with pipes for its output')
  return { stdout: keepHead(child.stdout, maxBytes), stderr: keepTail(child.stderr, maxBytes) }
}

async function exitOrStop(launched: Launched, options: RunOptions, stderr: Output): Promise<Exit> {
  const { command } = launched
  const stop = stopper(options)
  try {
    const first = await Promise.race([launched.exited, stop.requested])
    if (typeof first !== 'string') return first
    await terminate(launched, { graceMs: options.graceMs })
    await drained(launched.child.stdout, launched.child.stderr)
    if (first === 'aborted') throw cancelled(describe(command), options.signal)
    const tail = tailOf(stderr.text(), command)
    throw new HoldfastError(
      'PROCESS_TIMEOUT',
      `${describe(command)} did not end within ${(options.timeoutMs ?? 0) / 1000} s${tail ? `: ${tail}` : ''}`,
      { object: command.program },
    )
  } finally {
    stop.forget()
  }
}

function stopper({ signal, timeoutMs }: RunOptions): { requested: Promise<'aborted' | 'late'>; forget(): void } {
  let timer: NodeJS.Timeout | undefined
  let onAbort = () => {}
  const requested = new Promise<'aborted' | 'late'>((resolve) => {
    onAbort = () => resolve('aborted')
    signal?.addEventListener('abort', onAbort, { once: true })
    if (timeoutMs !== undefined) timer = setTimeout(() => resolve('late'), timeoutMs)
  })
  const forget = () => {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
  }
  return { requested, forget }
}
