/**
 * Programs chained by the kernel: no byte between them passes through JavaScript. What the last one prints ends well
 * only if every one of them exited 0, so that a truncated stream is never taken for a whole one.
 */
import { PassThrough, type Readable } from 'node:stream'
import { type Command, describe } from './command.ts'
import { superviseChain, type Stage } from './chain-watch.ts'
import { cancelled } from './failure.ts'
import { launch } from './launch.ts'
import { keepTail } from './output.ts'
import { programOf } from './find.ts'
import { terminate } from './terminate.ts'

export interface ChainOptions {
  /** Given to the first program; an error of it fails the chain. Without one the first command's own `stdin`, if any. */
  stdin?: Readable
  signal?: AbortSignal
  /** How long the programs may take to end by themselves when they are stopped; 10 s by default. */
  graceMs?: number
  /** Exit codes that are no failure; only 0 by default. What they mean is for the caller to judge, by `ended`. */
  accept?: readonly number[]
}

/** How a program of a chain ended, and the last that it said. */
export interface ChainEnd {
  exitCode: number | null
  stderr: string
  /** True where it said more than what is kept. */
  truncated: boolean
}

export interface Chain {
  /** What the last program prints. Ends only after all exited 0; else it fails with the error of `done`. */
  stdout: Readable
  /** Rejects naming the program that failed, once all are gone. Needs stdout to be read. */
  done: Promise<void>
  /** Stops all of them with their children; resolves when none is left. */
  stop(): Promise<void>
  /** One for each program; whole once stdout has ended. */
  ended(): ChainEnd[]
}

const STDERR_BYTES = 64 * 1024

/** Starts the programs; throws TOOL_MISSING before any is started where one is not installed. */
export function startChain(commands: Command[], options: ChainOptions = {}): Chain {
  const whole = commands.map(describe).join(' | ')
  if (options.signal?.aborted) throw cancelled(whole, options.signal)
  for (const command of commands) programOf(command)
  const stages = startAll(commands, options.stdin !== undefined)
  const stdout = new PassThrough()
  const stop = async () => {
    await Promise.all(stages.map((stage) => terminate(stage, { graceMs: options.graceMs })))
  }
  const { stdin, signal, accept } = options
  const done = superviseChain({ stages, whole, stdout, stop, stdin, signal, accept })
  // Whoever reads sees the error on the stream, or awaits `done`; the other of the two must not end the worker.
  stdout.on('error', () => {})
  done.catch(() => {})
  const ended = () =>
    stages.map(({ ended: end, stderr }) => ({ exitCode: end?.exit.code ?? null, stderr: stderr.text(), truncated: stderr.truncated() }))
  return { stdout, done, stop, ended }
}

/** All in one tick, and the parent's copy of each pipe closed at once: else bytes are lost, or a writer outlives its reader. */
function startAll(commands: Command[], hasInput: boolean): Stage[] {
  const stages: Stage[] = []
  try {
    for (const command of commands) {
      stages.push(startStage(command, stages.at(-1), hasInput))
    }
    return stages
  } catch (error) {
    for (const stage of stages) {
      stage.child.stdout?.destroy()
      terminate(stage).catch(() => {})
    }
    throw error
  }
}

function startStage(command: Command, previous: Stage | undefined, hasInput: boolean): Stage {
  const beginning = hasInput || command.stdin !== undefined ? 'pipe' : 'ignore'
  const launched = launch(command, [previous ? previous.child.stdout : beginning, 'pipe', 'pipe'])
  previous?.child.stdout?.destroy()
  if (!launched.child.stderr) throw new Error('a stage is started with a pipe for its messages')
  const stage: Stage = { ...launched, stderr: keepTail(launched.child.stderr, STDERR_BYTES) }
  void launched.exited.then((exit) => {
    stage.ended = { exit, at: performance.now() }
  })
  return stage
}
