/** Watching over a chain that runs: its input, its output, how each program ends, and which of them is to blame. */
import type { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { HoldfastError, messageOf } from '../core/errors.ts'
import { describe } from './command.ts'
import { cancelled, howItEnded, processFailed, tailOf } from './failure.ts'
import type { Exit, Launched } from './launch.ts'
import { drained, type Output } from './output.ts'

export interface Stage extends Launched {
  stderr: Output
  ended?: { exit: Exit; at: number }
  /** It still ran when the chain was stopped: how it ended then blames nobody. */
  stopped?: boolean
}

export interface Watched {
  stages: Stage[]
  /** The chain as one line, for messages. */
  whole: string
  stdout: PassThrough
  stop(): Promise<void>
  stdin?: Readable
  signal?: AbortSignal
  accept?: readonly number[]
}

/** Long enough to see the ends of programs that died of the same cause, on a busy machine too, before the others are stopped. */
const SAME_CAUSE_MS = 500

/** Resolves once every program exited 0, all input was taken and all output is handed on; else rejects, with none left. */
export async function superviseChain(chain: Watched): Promise<void> {
  const { stages, stdout, signal } = chain
  let abort = () => {}
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(cancelled(chain.whole, signal))
  })
  signal?.addEventListener('abort', abort, { once: true })
  try {
    await Promise.race([aborted, Promise.all([feed(chain), forward(chain), ...stages.map((stage) => exitedWell(stage, chain))])])
    await drained(...stages.map(({ child }) => child.stderr))
    stdout.end()
  } catch (error) {
    const failure = await endBadly(chain, error)
    stdout.destroy(failure)
    throw failure
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

async function exitedWell(stage: Stage, { accept = [0] }: Watched): Promise<void> {
  const { code } = await stage.exited
  if (code === null || !accept.includes(code)) throw new StageEnded()
}

/** Says only that some program ended badly: which is to blame is seen when all have ended. */
class StageEnded extends Error {}

async function endBadly(chain: Watched, error: unknown): Promise<Error> {
  const { stages } = chain
  if (error instanceof StageEnded || error instanceof InputRefused) await othersEnd(stages)
  for (const stage of stages) stage.stopped = stage.ended === undefined
  await chain.stop()
  stages.at(-1)?.child.stdout?.destroy()
  await Promise.all(stages.map((stage) => stage.exited))
  await drained(...stages.map(({ child }) => child.stderr))
  if (error instanceof StageEnded) return blame(stages)
  if (error instanceof InputRefused) return failed(stages).length > 0 ? blame(stages) : error.asFailure(stages)
  return error as Error
}

async function othersEnd(stages: Stage[]): Promise<void> {
  const waiting = new AbortController()
  const patience = delay(SAME_CAUSE_MS, undefined, { signal: waiting.signal }).catch(() => {})
  await Promise.race([patience, Promise.all(stages.map((stage) => stage.exited))])
  waiting.abort()
}

/**
 * The first that failed by itself, and not because the one that read from it was gone. A program may close its output
 * before it ends, and the next one then fails for want of input and ends earlier: who said why comes first in the chain's order.
 */
function blame(stages: Stage[]): HoldfastError {
  const inOrder = failed(stages).sort((a, b) => a.ended.at - b.ended.at)
  const alone = failed(stages).filter((stage) => !lostItsReader(stage))
  const culprit = alone.find(({ stderr }) => stderr.text().trim() !== '') ?? inOrder.find((stage) => alone.includes(stage)) ?? inOrder[0]
  if (!culprit) throw new Error('a chain without a failed stage has nobody to blame')
  const all = stages.map((stage) => ({
    command: describe(stage.command),
    ended: howItEnded(exitOf(stage)),
    stderr: tailOf(stage.stderr.text(), stage.command),
  }))
  return processFailed({ command: culprit.command, exit: culprit.ended.exit, stderr: culprit.stderr.text() }, { stages: all })
}

// Node's pipes are sockets: a writer whose reader died with bytes unread sees a reset, else SIGPIPE or EPIPE.
function lostItsReader({ ended, stderr }: EndedStage): boolean {
  return ended.exit.signal === 'SIGPIPE' || /broken pipe|connection reset by peer/i.test(stderr.text())
}

const exitOf = (stage: Stage): Exit => stage.ended?.exit ?? { code: null, signal: null }

type EndedStage = Stage & Required<Pick<Stage, 'ended'>>

function failed(stages: Stage[]): EndedStage[] {
  return stages.filter((stage): stage is EndedStage => !stage.stopped && stage.ended !== undefined && stage.ended.exit.code !== 0)
}

/** The first program closed its input before all was given; if it exited 0 nevertheless, that is a failure of its own. */
class InputRefused extends Error {
  asFailure(stages: Stage[]): HoldfastError {
    const first = stages[0]
    const name = first ? describe(first.command) : 'the chain'
    return new HoldfastError('PROCESS_FAILED', `${name} stopped reading before the end of its input`, {
      object: first?.command.program,
      cause: this.cause,
    })
  }
}

async function feed({ stages, stdin, whole }: Watched): Promise<void> {
  const first = stages[0]
  const into = first?.child.stdin
  if (!first || !into) return
  if (!stdin) {
    into.on('error', () => {})
    into.end(first.command.stdin)
    return
  }
  let origin: 'source' | 'program' | undefined
  stdin.once('error', () => {
    origin ??= 'source'
  })
  into.once('error', () => {
    origin ??= 'program'
  })
  try {
    await pipeline(stdin, into)
  } catch (error) {
    // Node closes the input of a program that has ended, without an error.
    const exited = first.child.exitCode !== null || first.child.signalCode !== null
    if (origin === 'program' || (origin === undefined && exited)) throw new InputRefused('', { cause: error })
    throw new HoldfastError('PROCESS_FAILED', `the input of ${whole} failed: ${messageOf(error)}`, { object: whole, cause: error })
  }
}

// Its end is withheld until it is known that all went well.
async function forward({ stages, stdout, whole }: Watched): Promise<void> {
  const from = stages.at(-1)?.child.stdout
  if (!from) return
  try {
    await pipeline(from, stdout, { end: false })
  } catch (error) {
    throw new HoldfastError('PROCESS_FAILED', `the output of ${whole} was not read to its end: ${messageOf(error)}`, {
      object: whole,
      cause: error,
    })
  }
}
