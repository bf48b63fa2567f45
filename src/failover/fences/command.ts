/** A fence from outside: power off, stop the instance, cut the network. It counts only once the read-back says so. */
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { run, type RunResult } from '../../process/run.ts'
import { until } from '../../process/wait.ts'

export interface CommandFence {
  isolate: string[]
  /** Exits 0 only while the host is isolated. */
  readBack: string[]
  release?: string[]
  timeoutMs?: number
  signal?: AbortSignal
}

export interface CommandFenceReport {
  proved: true
  isolated: 'already' | 'now'
  readBack: { exitCode: 0; message: string }
  seconds: number
}

const ANY_CODE = Array.from({ length: 256 }, (_, code) => code)

/** Isolates the host, unless the read-back says that it is; throws FENCE_UNPROVEN unless the read-back exits 0 in time. */
export async function commandFence(options: CommandFence): Promise<CommandFenceReport> {
  const begun = performance.now()
  const timeoutMs = options.timeoutMs ?? 60_000
  const report = (isolated: 'already' | 'now', { stdout }: RunResult): CommandFenceReport => ({
    proved: true,
    isolated,
    readBack: { exitCode: 0, message: stdout.trim() },
    seconds: Math.round(performance.now() - begun) / 1000,
  })
  const before = await readBack(options)
  if (before.exitCode === 0) return report('already', before)
  let why = ''
  // What it says of itself proves nothing either way: only the read-back does.
  await run(commandOf(options.isolate), { signal: options.signal, timeoutMs }).catch((error: unknown) => {
    why = messageOf(error)
  })
  let last = before
  const proved = await until(
    async () => {
      last = await readBack(options)
      return last.exitCode === 0 && last
    },
    { timeoutMs, everyMs: 200, what: `${options.readBack[0]} to say that the host is isolated`, signal: options.signal },
  ).catch((cause: unknown) => {
    if (options.signal?.aborted) throw cause
    throw new HoldfastError(
      'FENCE_UNPROVEN',
      `the host is not shown to be isolated: ${options.readBack[0]} exits ${last.exitCode}${why ? `; ${why}` : ''}`,
      {
        object: options.readBack[0],
        cause,
        details: { exitCode: last.exitCode, output: `${last.stdout}${last.stderr}`.slice(-2000) },
      },
    )
  })
  return report('now', proved)
}

/** Takes the isolation back, where the config says how. */
export async function releaseCommandFence({ release, signal }: CommandFence): Promise<void> {
  if (release) await run(commandOf(release), { signal, timeoutMs: 60_000 })
}

function readBack({ readBack: command, signal }: CommandFence): Promise<RunResult> {
  return run(commandOf(command), { signal, timeoutMs: 30_000, accept: ANY_CODE })
}

function commandOf([program, ...args]: string[]): { program: string; args: string[] } {
  return { program: program ?? '', args }
}
