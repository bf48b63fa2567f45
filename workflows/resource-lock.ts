/**
 * The lock of one resource, as a run of its own: shows its holder, its age and who may pre-empt it. Requests arrive by
 * signal-with-start; answers go back by signal. A holder that ended without a release is found by asking Temporal.
 */
import {
  allHandlersFinished,
  condition,
  continueAsNew,
  getExternalWorkflowHandle,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow'
import type { LockActivities } from '../activities/lock.ts'
import { acquireSignal, lockAnswerSignal, lockQuery, type LockRequest, preemptSignal, releaseSignal } from '../src/contract/messages.ts'
import { PRIORITY } from '../src/contract/vocabulary.ts'
import { control } from './lib/options.ts'

/** Asked until there is an answer: a lock that failed would let the next one in beside its holder. */
const { isRunOpen } = proxyActivities<LockActivities>({ ...control, retry: { initialInterval: '500ms', maximumInterval: '2s' } })
/** A pre-empted holder has this long to let go: within ten seconds, of which timers that round up and the hops take two. */
const PREEMPT_MS = 8_000
/** How often a holder that others wait for is looked after: grows for the history's sake, a failover may be among them. */
const LOOK_MS = { first: 2_000, most: 10_000 }

interface Holder extends LockRequest {
  since: number
  preempted?: { by: string; at: number }
}
export interface LockState {
  resource: string
  granted: number
  holder?: Holder
  waiting: LockRequest[]
}

export async function resourceLock(given: LockState): Promise<void> {
  const state: LockState = { ...given, waiting: [...given.waiting] }
  const inbox: LockRequest[] = []
  setHandler(acquireSignal, (request) => void inbox.push(request))
  setHandler(releaseSignal, ({ workflowId, runId }) => {
    const same = (r: LockRequest) => sameRun(r, { workflowId, runId })
    state.waiting = state.waiting.filter((r) => !same(r))
    const queued = inbox.findIndex(same)
    if (queued >= 0) inbox.splice(queued, 1)
    if (state.holder && same(state.holder)) state.holder = undefined
  })
  setHandler(
    lockQuery,
    () => ({ resource: state.resource, ...(state.holder && { holder: shown(state.holder) }), waiting: state.waiting.map((r) => r.what) }),
    { description: 'who holds this resource' },
  )

  const answer = (to: LockRequest, granted: boolean) =>
    getExternalWorkflowHandle(to.workflowId, to.runId)
      .signal(lockAnswerSignal, {
        resource: state.resource,
        granted,
        number: state.granted,
        ...(state.holder &&
          !granted && {
            holder: `${state.holder.what} (${state.holder.workflowId})`,
            holderId: state.holder.workflowId,
            since: new Date(state.holder.since).toISOString(),
          }),
      })
      .then(
        () => true,
        () => false,
      )

  let look = LOOK_MS.first
  while (true) {
    const request = inbox.shift()
    if (request) await admit(state, request, answer)
    else if (!state.holder && state.waiting.length > 0) {
      await grant(state, answer)
      look = LOOK_MS.first
    } else if (state.holder && state.waiting.length > 0) {
      const deadline = state.holder.preempted ? Math.max(0, state.holder.preempted.at + PREEMPT_MS - Date.now()) : look
      const changed = await condition(() => inbox.length > 0 || !state.holder, Math.max(1, Math.min(deadline, look)))
      if (!changed && state.holder) await lookAfter(state)
      look = Math.min(look * 2, LOOK_MS.most)
    } else if (state.holder) await condition(() => inbox.length > 0 || !state.holder)
    else return
    setCurrentDetails(
      state.holder
        ? `held by ${state.holder.what} since ${new Date(state.holder.since).toISOString()}; ${state.waiting.length} waiting`
        : 'free',
    )
    if (workflowInfo().continueAsNewSuggested && inbox.length === 0) {
      await condition(allHandlersFinished)
      await continueAsNew<typeof resourceLock>(state)
    }
  }
}

type Run = Pick<LockRequest, 'workflowId' | 'runId'>
const sameRun = (one: Run, other: Run) => one.workflowId === other.workflowId && one.runId === other.runId

type Answer = (to: LockRequest, granted: boolean) => Promise<boolean>

async function admit(state: LockState, request: LockRequest, answer: Answer): Promise<void> {
  const { holder } = state
  const mine = holder && (sameRun(holder, request) || (request.parent && sameRun(holder, request.parent)))
  if (mine) return void (await answer(request, true))
  if (holder && !(await isRunOpen({ workflowId: holder.workflowId, runId: holder.runId }))) state.holder = undefined
  const preempts = state.holder !== undefined && request.work === 'failover' && request.priority > state.holder.priority
  if (state.holder && !request.wait && !preempts) return void (await answer(request, false))
  state.waiting.push(request)
  state.waiting.sort((a, b) => b.priority - a.priority)
  if (preempts && state.holder && !state.holder.preempted) {
    state.holder.preempted = { by: request.what, at: Date.now() }
    await getExternalWorkflowHandle(state.holder.workflowId, state.holder.runId)
      .signal(preemptSignal, { resource: state.resource, by: request.what })
      .catch(() => undefined)
  }
}

async function grant(state: LockState, answer: Answer): Promise<void> {
  const next = state.waiting.shift()
  if (!next) return
  state.granted += 1
  state.holder = { ...next, since: Date.now() }
  if (!(await answer(next, true))) state.holder = undefined
}

/** Frees the lock of a holder that is gone, and of one that was pre-empted and did not let go in time. */
async function lookAfter(state: LockState): Promise<void> {
  const { holder } = state
  if (!holder) return
  const overdue = holder.preempted && Date.now() >= holder.preempted.at + PREEMPT_MS
  if (overdue || !(await isRunOpen({ workflowId: holder.workflowId, runId: holder.runId }))) {
    if (state.holder === holder) state.holder = undefined
  }
}

function shown(holder: Holder) {
  return {
    workflowId: holder.workflowId,
    what: holder.what,
    work: holder.work,
    since: new Date(holder.since).toISOString(),
    // In a query a run's own clock stands where its last event left it.
    ageSeconds: Math.max(0, workflowInfo().unsafe.now() - holder.since) / 1000,
    mayBePreemptedBy: Object.entries(PRIORITY)
      .filter(([work, p]) => work === 'failover' && p > holder.priority)
      .map(([work]) => work),
  }
}
