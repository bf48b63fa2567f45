/** A run as it goes on, shown until it ends or until the user turns away: Ctrl-C ends the looking, never the run. */
import type { WorkflowHandle } from '@temporalio/client'
import { type RunView, type StepView, viewQuery } from '../contract/messages.ts'
import { messageOf } from '../core/errors.ts'
import type { CommandContext } from './context.ts'
import { bytes } from './output.ts'

const LOOK_MS = 500

/** The user stopped looking; the run goes on. */
export class Detached extends Error {
  readonly workflowId: string

  constructor(workflowId: string) {
    super(`${workflowId} goes on`)
    this.workflowId = workflowId
  }

  /** What a command that was left says. */
  answer(): { value: object; lines: string[] } {
    const { workflowId } = this
    const follow = `holdfast follow ${workflowId}`
    const stop = /^(failover|failback|rebuild-standby)\//.test(workflowId)
      ? `holdfast abort ${workflowId} --reason <text>`
      : `holdfast cancel ${workflowId}`
    return {
      value: { workflowId, detached: true, follow, stop },
      lines: [`detached: ${workflowId} goes on`, `watch it: ${follow}`, `stop it:  ${stop}`],
    }
  }
}

/** Shows each change of the run until it ends; gives its result, throws what it failed with, or Detached. */
export async function followRun<T>({ output }: CommandContext, handle: WorkflowHandle): Promise<T> {
  const leaving = awaitInterrupt()
  const stop = new AbortController()
  let ended = false
  const asking = handle.client.connection.withAbortSignal(stop.signal, () => handle.result() as Promise<T>)
  const result = asking.finally(() => {
    ended = true
  })
  result.catch(() => {})
  const settled = result.then(
    () => undefined,
    () => undefined,
  )
  try {
    while (!ended && !leaving.left()) {
      const view = await Promise.race([look(handle, stop.signal), settled, leaving.promise])
      if (typeof view === 'string') output.settled(view)
      else if (view && !ended) show(output, view, output.live ? await progressOf(handle) : '')
      await Promise.race([new Promise((resolve) => setTimeout(resolve, LOOK_MS)), settled, leaving.promise])
    }
    // What the last steps came to, between the last look and the end.
    if (ended) showSettled(output, await look(handle, stop.signal))
  } finally {
    leaving.end()
    // What is still asked would go on after the connection is closed.
    stop.abort()
  }
  if (!ended) throw new Detached(handle.workflowId)
  return result
}

function awaitInterrupt() {
  let left = false
  let leave = () => {}
  const promise = new Promise<undefined>((resolve) => {
    leave = () => {
      left = true
      resolve(undefined)
    }
  })
  const signals = ['SIGINT', 'SIGTERM'] as const
  for (const signal of signals) process.on(signal, leave)
  return {
    promise,
    left: () => left,
    // Once left, the process is about to end: a signal that comes twice must not end it before it has said how the run is watched.
    end: () => {
      if (!left) for (const signal of signals) process.off(signal, leave)
    },
  }
}

const NOBODY = 'no worker takes it up yet: start one with holdfast worker'
/** A worker answers a query within moments; where none does, the server would keep the question for long. */
const ANSWER_MS = 5_000

/** The view of the run; or why there is none, where somebody can do something about it. A stop ends the question, too. */
async function look(handle: WorkflowHandle, stop: AbortSignal): Promise<RunView | string | undefined> {
  const { connection } = handle.client
  try {
    return await connection.withAbortSignal(stop, () => connection.withDeadline(Date.now() + ANSWER_MS, () => handle.query(viewQuery)))
  } catch (error) {
    const { cause } = error as { cause?: unknown }
    return !stop.aborted && /no poller|deadline/i.test(`${messageOf(error)} ${messageOf(cause)}`) ? NOBODY : undefined
  }
}

/** Bytes that the activities under way report in their heartbeats. */
async function progressOf(handle: WorkflowHandle): Promise<string> {
  try {
    const { raw } = await handle.describe()
    const said = (raw.pendingActivities ?? []).flatMap(({ heartbeatDetails }) => {
      const data = heartbeatDetails?.payloads?.[0]?.data
      return data ? [JSON.parse(Buffer.from(data).toString('utf8')) as { phase?: string; bytes?: number; totalBytes?: number }] : []
    })
    return said.map(progressText).filter(Boolean).join('; ')
  } catch {
    // What cannot be shown must not end the command.
    return ''
  }
}

export function progressText({ phase, bytes: done, totalBytes }: { phase?: string; bytes?: number; totalBytes?: number }): string {
  const amount = done === undefined ? '' : totalBytes ? `${bytes(done)} of about ${bytes(totalBytes)}` : bytes(done)
  return [phase, amount].filter(Boolean).join(' ')
}

function show(output: CommandContext['output'], view: RunView, progress: string): void {
  showSettled(output, view)
  output.progress([progressLine(view), progress].filter(Boolean).join(': '))
}

function showSettled(output: CommandContext['output'], view: RunView | string | undefined): void {
  if (typeof view !== 'object') return
  for (const step of view.steps) if (!['waiting', 'running'].includes(step.status)) output.settled(stepLine(step))
}

export function stepLine({ name, status, seconds, detail }: StepView): string {
  return `  ${status.padEnd(8)} ${name}${seconds === undefined ? '' : ` ${seconds.toFixed(1)} s`}${detail ? `: ${detail}` : ''}`
}

/** What the run does now, or whom it waits for. */
export function progressLine(view: RunView): string {
  if (view.awaiting) return `awaiting operator: ${view.awaiting.what}: ${view.awaiting.why} (${view.awaiting.can.join(', ')})`
  if (view.phase === 'approval' && view.plan) {
    return `approval: plan ${view.plan.hash}: ${view.plan.text.join('; ')} (${view.plan.approvals.length} of ${view.plan.needed})`
  }
  const running = view.steps.findLast((step) => step.status === 'running')
  return [view.paused ? 'paused' : view.phase, running?.name].filter(Boolean).join(': ')
}
