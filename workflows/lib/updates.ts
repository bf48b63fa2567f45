/**
 * The handlers of an operator's updates. The validators check shapes only; a wrong person or an outdated approval is
 * refused by the handler, so that the history shows it.
 */
import type { UpdateDefinition } from '@temporalio/common'
import { setHandler } from '@temporalio/workflow'
import { z } from 'zod'
import type { Answer, Attestation } from '../../src/contract/messages.ts'
import * as messages from '../../src/contract/messages.ts'
import type { ErrorCode } from '../../src/core/errors.ts'
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

/** What operators have said so far, and what the run waits for. */
export interface Said {
  readonly view: View
  rejected?: string
  aborted?: string
  plan?: PlanShown & { expired: boolean; deadline: number }
  decisions: Map<string, Decision>
  parked?: { step: string; skippable: boolean; attestable: boolean }
  attestation?: Attestation
}

interface By {
  actor: string
  reason: string
}

export function registerUpdates(said: Said): void {
  const { state } = said.view
  const { refuse, accept } = answers(said.view)

  on(messages.approve, 'approve', (by) => {
    const { plan } = said
    if (!plan) return refuse('approve', by, 'no plan is waiting for approval')
    if (by.planHash !== plan.hash) return refuse('approve', by, `the plan shown now is ${plan.hash}, not ${by.planHash}`)
    if (by.actor === plan.requestedBy) return refuse('approve', by, `${by.actor} requested it; another person approves`)
    if (plan.expired) return refuse('approve', by, 'the time for it has passed; resume reopens it')
    if (state.plan?.approvals.includes(by.actor)) return refuse('approve', by, `${by.actor} has approved already`)
    state.plan?.approvals.push(by.actor)
    return accept('approve', by, `${state.plan?.approvals.length} of ${plan.count}`)
  })
  on(messages.reject, 'reject', (by) => {
    if (!said.plan) return refuse('reject', by, 'no plan is waiting for approval')
    said.rejected = `${by.actor}: ${by.reason}`
    return accept('reject', by, 'the run ends')
  })
  on(messages.pause, 'pause', (by) => {
    state.paused = true
    return accept('pause', by, 'stops before the next step')
  })
  on(messages.resume, 'resume', (by) => {
    state.paused = false
    if (said.plan?.expired) said.plan = { ...said.plan, expired: false, deadline: Date.now() + said.plan.withinMs }
    return accept('resume', by, 'goes on')
  })
  on(messages.abort, 'abort', (by) => {
    if (state.noReturn) return refuse('abort', by, 'the promotion may have happened', 'PAST_NO_RETURN')
    said.aborted = `${by.actor}: ${by.reason}`
    return accept('abort', by, 'undoes and ends')
  })
  registerStepUpdates(said)
}

/** About the step that is parked, and no other. */
function registerStepUpdates(said: Said): void {
  const { refuse, accept } = answers(said.view)
  const decide = (action: 'retryStep' | 'skipStep', decision: Decision) => (by: messages.StepAction) => {
    const { parked } = said
    if (parked?.step !== by.step)
      return refuse(action, by, parked ? `${parked.step} is the step that waits` : 'no step waits for an operator')
    if (decision === 'skip' && !parked.skippable) return refuse(action, by, `${by.step} cannot be skipped: what follows relies on it`)
    said.decisions.set(by.step, decision)
    return accept(action, by, by.step)
  }
  on(messages.retryStep, 'retryStep', decide('retryStep', 'retry'))
  on(messages.skipStep, 'skipStep', decide('skipStep', 'skip'))
  on(messages.attestFenced, 'attestFenced', (by) => {
    if (!said.parked?.attestable) return refuse('attestFenced', by, 'no fence waits for an attestation')
    if (by.actor === by.secondPerson) return refuse('attestFenced', by, 'two persons attest')
    said.attestation = by
    return accept('attestFenced', by, 'recorded as attested, not proved')
  })
}

function answers(view: View) {
  const note = (action: string, { actor, reason }: By, refused?: string) => {
    view.state.log.push({ at: new Date(Date.now()).toISOString(), actor, action, reason, ...(refused && { refused }) })
    view.refresh()
  }
  return {
    refuse(action: string, by: By, why: string, code: ErrorCode = 'APPROVAL_REFUSED'): never {
      note(action, by, why)
      throw failure(code, `${action} refused: ${why}`)
    },
    accept(action: string, by: By, message: string): Answer {
      note(action, by)
      return { accepted: true, message }
    },
  }
}

function on<A>(definition: UpdateDefinition<Answer, [A], string>, name: keyof typeof messages.UPDATES, handle: (input: A) => Answer): void {
  const { schema, about } = messages.UPDATES[name]
  setHandler(definition, handle, {
    description: about,
    validator: (input: A) => {
      const parsed = schema.safeParse(input)
      if (!parsed.success) throw failure('INPUT_INVALID', `${name}: ${z.prettifyError(parsed.error)}`)
    },
  })
}
