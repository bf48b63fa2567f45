/** Where a run lets operators act: at its gates, at the plan's approval, and at a step that is out of retries. */
import { condition } from '@temporalio/workflow'
import type { Attestation } from '../../src/contract/messages.ts'
import { failure } from './failure.ts'
import { type Decision, type PlanShown, registerUpdates, type Said } from './updates.ts'
import type { View } from './view.ts'

export interface Steering {
  /** Waits while paused; ends the run once it was aborted. Called before each step. */
  gate(): Promise<void>
  /** Shows the plan and waits for enough approvals by others than the requester. Resolves at once where none is needed. */
  approved(plan: PlanShown): Promise<void>
  /** Parks the run until an operator decides about a step that is out of retries. */
  decide(step: string, why: string, skippable: boolean): Promise<Decision>
  /** Parks until two persons attest that the old side accepts no writes, or the step is tried again. */
  attested(step: string, why: string): Promise<Attestation | 'retry'>
  /** From here on nothing is undone: abort is refused. */
  passNoReturn(): void
}

export function createSteering(view: View): Steering {
  const { state } = view
  const said: Said = { view, decisions: new Map() }
  registerUpdates(said)

  const stopIfAborted = () => {
    if (said.aborted) throw failure('ABORTED', `Aborted by ${said.aborted}`)
  }
  const awaiting = async (what: string, why: string, can: string[], until: () => boolean) => {
    state.awaiting = { what, why, can }
    view.outcome('awaiting-operator')
    await condition(() => until() || said.aborted !== undefined)
    state.awaiting = undefined
    view.outcome('running')
    stopIfAborted()
  }
  const park = async (parked: NonNullable<Said['parked']>, why: string, can: string[], until: () => boolean) => {
    said.decisions.delete(parked.step)
    said.parked = parked
    await awaiting(parked.step, why, can, until)
    said.parked = undefined
  }

  return {
    async gate() {
      stopIfAborted()
      if (state.paused) await awaiting('pause', 'an operator paused the run', ['resume', 'abort'], () => !state.paused)
    },
    async approved(shown) {
      state.plan = { hash: shown.hash, text: shown.text, approvals: [], needed: shown.count }
      if (shown.count === 0) return
      const enough = () => (state.plan?.approvals.length ?? 0) >= shown.count || said.rejected !== undefined || said.aborted !== undefined
      said.plan = { ...shown, expired: false, deadline: Date.now() + shown.withinMs }
      while (!enough()) {
        state.plan.expiresAt = new Date(said.plan.deadline).toISOString()
        view.refresh()
        if (await condition(enough, Math.max(1, said.plan.deadline - Date.now()))) break
        said.plan.expired = true
        const open = () => !said.plan?.expired || said.rejected !== undefined
        await awaiting('approval', `none came within ${shown.withinMs / 60_000} minutes`, ['resume', 'reject', 'abort'], open)
      }
      said.plan = undefined
      stopIfAborted()
      if (said.rejected) throw failure('REJECTED', `Rejected by ${said.rejected}`)
    },
    async decide(step, why, skippable) {
      const can = ['retryStep', ...(skippable ? ['skipStep'] : []), ...(state.noReturn ? [] : ['abort'])]
      await park({ step, skippable, attestable: false }, why, can, () => said.decisions.has(step))
      return said.decisions.get(step) ?? 'retry'
    },
    async attested(step, why) {
      const heard = () => said.attestation !== undefined || said.decisions.has(step)
      await park({ step, skippable: false, attestable: true }, why, ['attestFenced', 'retryStep', 'abort'], heard)
      return said.attestation ?? 'retry'
    },
    passNoReturn() {
      state.noReturn = true
      view.refresh()
    },
  }
}
