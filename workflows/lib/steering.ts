/**
 * What operators do to a run in the middle: approve, reject, pause, resume, retry, skip, abort, attest. The validators
 * check shapes only; a wrong person or an outdated approval is refused by the handler, so that the history shows it.
 */
import { condition, setHandler } from '@temporalio/workflow'
import { ApplicationFailure } from '@temporalio/common'
import type { UpdateDefinition } from '@temporalio/common'
import { z } from 'zod'
import * as messages from '../../src/contract/messages.ts'
import type { Answer, Attestation } from '../../src/contract/messages.ts'
import { ERRORS, type ErrorCode } from '../../src/core/errors.ts'
import { failure } from './failure.ts'
import type { View } from './view.ts'

export interface PlanShown {
  hash: string
  text: string[]
  requestedBy: string
  count: number
  withinMs: number
}
export type Decision = 'retry' | 'skip'
export interface Steering {
  /** Waits while paused; ends the run once it was aborted. Called before each step. */
  gate(): Promise<void>
  /** Shows the plan and waits for enough approvals by others than the requester. Resolves at once where none is needed. */
  approved(plan: PlanShown): Promise<void>
  /** Parks the run until an operator decides about a step that is out of retries. */
  decide(step: string, why: string, skippable: boolean): Promise<Decision>
  /** Parks until a named person attests that the old side accepts no writes, or the step is tried again. */
  attested(step: string, why: string): Promise<Attestation | 'retry'>
  /** From here on nothing is undone: abort is refused. */
  passNoReturn(): void
}

export function createSteering(view: View): Steering {
  const { state } = view
  let rejected: string | undefined
  let aborted: string | undefined
  let plan: (PlanShown & { expired: boolean; deadline: number }) | undefined
  const decisions = new Map<string, Decision>()
  let parked: { step: string; skippable: boolean; attestable: boolean } | undefined
  let attestation: Attestation | undefined

  const note = (action: string, by: { actor: string; reason: string }, refused?: string) => {
    state.log.push({ at: new Date(Date.now()).toISOString(), actor: by.actor, action, reason: by.reason, ...(refused && { refused }) })
    view.refresh()
  }
  const refuse = (action: string, by: { actor: string; reason: string }, why: string, code: ErrorCode = 'APPROVAL_REFUSED'): never => {
    note(action, by, why)
    throw ApplicationFailure.create({ type: code, nonRetryable: true, message: `${action} refused: ${why}. Next: ${ERRORS[code].next}` })
  }
  const accept = (action: string, by: { actor: string; reason: string }, message: string): Answer => {
    note(action, by)
    return { accepted: true, message }
  }
  const on = <A>(definition: UpdateDefinition<Answer, [A], string>, name: keyof typeof messages.UPDATES, handle: (input: A) => Answer) => {
    const { schema, about } = messages.UPDATES[name]
    setHandler(definition, handle, {
      description: about,
      validator: (input: A) => {
        const parsed = schema.safeParse(input)
        if (!parsed.success) throw failure('INPUT_INVALID', `${name}: ${z.prettifyError(parsed.error)}`)
      },
    })
  }

  on(messages.approve, 'approve', (by) => {
    if (!plan) return refuse('approve', by, 'no plan is waiting for approval')
    if (by.planHash !== plan.hash) return refuse('approve', by, `the plan shown now is ${plan.hash}, not ${by.planHash}`)
    if (by.actor === plan.requestedBy) return refuse('approve', by, `${by.actor} requested it; another person approves`)
    if (plan.expired) return refuse('approve', by, 'the time for it has passed; resume reopens it')
    if (state.plan?.approvals.includes(by.actor)) return refuse('approve', by, `${by.actor} has approved already`)
    state.plan?.approvals.push(by.actor)
    return accept('approve', by, `${state.plan?.approvals.length} of ${plan.count}`)
  })
  on(messages.reject, 'reject', (by) => {
    if (!plan) return refuse('reject', by, 'no plan is waiting for approval')
    rejected = `${by.actor}: ${by.reason}`
    return accept('reject', by, 'the run ends')
  })
  on(messages.pause, 'pause', (by) => {
    state.paused = true
    return accept('pause', by, 'stops before the next step')
  })
  on(messages.resume, 'resume', (by) => {
    state.paused = false
    if (plan?.expired) {
      plan.expired = false
      plan.deadline = Date.now() + plan.withinMs
    }
    return accept('resume', by, 'goes on')
  })
  const decide =
    (decision: Decision) =>
    (by: messages.StepAction): Answer => {
      const action = decision === 'retry' ? 'retryStep' : 'skipStep'
      if (parked?.step !== by.step)
        return refuse(action, by, parked ? `${parked.step} is the step that waits` : 'no step waits for an operator')
      if (decision === 'skip' && !parked.skippable) return refuse(action, by, `${by.step} cannot be skipped: what follows relies on it`)
      decisions.set(by.step, decision)
      return accept(action, by, by.step)
    }
  on(messages.retryStep, 'retryStep', decide('retry'))
  on(messages.skipStep, 'skipStep', decide('skip'))
  on(messages.abort, 'abort', (by) => {
    if (state.noReturn) return refuse('abort', by, 'the promotion may have happened', 'PAST_NO_RETURN')
    aborted = `${by.actor}: ${by.reason}`
    return accept('abort', by, 'undoes and ends')
  })
  on(messages.attestFenced, 'attestFenced', (by) => {
    if (!parked?.attestable) return refuse('attestFenced', by, 'no fence waits for an attestation')
    if (by.actor === by.secondPerson) return refuse('attestFenced', by, 'two persons attest')
    attestation = by
    return accept('attestFenced', by, 'recorded as attested, not proved')
  })

  const stopIfAborted = () => {
    if (aborted) throw failure('ABORTED', `Aborted by ${aborted}`)
  }
  const awaiting = async (what: string, why: string, can: string[], until: () => boolean) => {
    state.awaiting = { what, why, can }
    view.outcome('awaiting-operator')
    await condition(() => until() || aborted !== undefined)
    state.awaiting = undefined
    view.outcome('running')
    stopIfAborted()
  }

  return {
    async gate() {
      stopIfAborted()
      if (state.paused) await awaiting('pause', 'an operator paused the run', ['resume', 'abort'], () => !state.paused)
    },
    async approved(shown) {
      state.plan = { hash: shown.hash, text: shown.text, approvals: [], needed: shown.count }
      if (shown.count === 0) return
      plan = { ...shown, expired: false, deadline: Date.now() + shown.withinMs }
      const enough = () => (state.plan?.approvals.length ?? 0) >= shown.count || rejected !== undefined || aborted !== undefined
      while (!enough()) {
        state.plan.expiresAt = new Date(plan.deadline).toISOString()
        view.refresh()
        if (await condition(enough, Math.max(1, plan.deadline - Date.now()))) break
        plan.expired = true
        await awaiting(
          'approval',
          `none came within ${shown.withinMs / 60_000} minutes`,
          ['resume', 'reject', 'abort'],
          () => !plan?.expired || rejected !== undefined,
        )
      }
      plan = undefined
      stopIfAborted()
      if (rejected) throw failure('REJECTED', `Rejected by ${rejected}`)
    },
    async decide(step, why, skippable) {
      decisions.delete(step)
      parked = { step, skippable, attestable: false }
      await awaiting(step, why, ['retryStep', ...(skippable ? ['skipStep'] : []), ...(state.noReturn ? [] : ['abort'])], () =>
        decisions.has(step),
      )
      parked = undefined
      return decisions.get(step) ?? 'retry'
    },
    async attested(step, why) {
      decisions.delete(step)
      parked = { step, skippable: false, attestable: true }
      await awaiting(step, why, ['attestFenced', 'retryStep', 'abort'], () => attestation !== undefined || decisions.has(step))
      parked = undefined
      return attestation ?? 'retry'
    },
    passNoReturn() {
      state.noReturn = true
      view.refresh()
    },
  }
}
