/** Nothing acknowledges a write on the old side from here: proved on its host, by a command, or attested by two persons. */
import { ActivityFailure, TimeoutFailure } from '@temporalio/common'
import { isCancellation, patched, proxyActivities } from '@temporalio/workflow'
import type { PairActivities } from '../../activities/pair.ts'
import type { FenceSummary, PairPlan } from '../../src/contract/failover.ts'
import type { Attestation } from '../../src/contract/messages.ts'
import { failure, rootFailure } from './failure.ts'
import { stepsOn } from './hosts.ts'
import { control } from './options.ts'
import type { Steering } from './steering.ts'
import type { View } from './view.ts'

const pair = proxyActivities<PairActivities>(control)
const NAME = 'fenceOldPrimary'

export interface FenceContext {
  plan: PairPlan
  mode: 'planned' | 'unplanned'
  view: View
  steering: Steering
}

/** Goes on until it is fenced, or an operator ends it. A side that is known to run is never attested away. */
export async function fenceOld({ plan, mode, view, steering }: FenceContext): Promise<FenceSummary> {
  let answers = plan.fromReachable
  let again = mode === 'unplanned'
  while (true) {
    await steering.gate()
    view.step(NAME, 'running', plan.from)
    try {
      const fence = await (answers ? fenceOnHost(plan, mode) : fenceByCommand(plan))
      view.step(NAME, 'done', fence.clean ? 'clean stop, proved' : 'proved')
      return fence
    } catch (error) {
      if (isCancellation(error)) throw error
      const { code, message } = rootFailure(error)
      view.step(NAME, 'failed', `${code}: ${message}`)
      if (mode === 'unplanned' && answers && isSilent(error)) {
        // Its host died since the plan was made: what is meant for such a host comes next.
        answers = false
        continue
      }
      if (answers && again && code === 'FENCE_UNPROVEN' && patched('fence-again')) {
        // Once by itself: nobody should have to be woken for what a second look proves, and fencing twice harms nothing.
        again = false
        continue
      }
      if (mode === 'planned' || answers) {
        await steering.decide(NAME, `${code}: ${message}`, false)
        continue
      }
      const decision = await steering.attested(NAME, `${code}: ${message}`)
      if (decision === 'retry') {
        // Its worker may be back, and what is proved on the host is worth more than what a command says.
        answers = patched('retry-on-host')
        continue
      }
      view.step(NAME, 'done', `attested by ${decision.actor} and ${decision.secondPerson}`)
      return attested(decision)
    }
  }
}

const fenceOnHost = ({ group, from, fromHost, epoch }: PairPlan, mode: 'planned' | 'unplanned'): Promise<FenceSummary> =>
  stepsOn(fromHost).fenceOldPrimary.executeWithOptions({ summary: `${from}, epoch ${epoch}` }, [{ group, site: from, epoch, mode }])

const fenceByCommand = ({ group, from }: PairPlan): Promise<FenceSummary> =>
  pair.fenceByCommand.executeWithOptions({ summary: from }, [{ group, site: from }])

const isSilent = (error: unknown): boolean => error instanceof ActivityFailure && error.cause instanceof TimeoutFailure

function attested({ actor, secondPerson, reason }: Attestation): FenceSummary {
  return {
    proved: false,
    how: 'attested',
    clean: false,
    killed: 0,
    preparedTransactions: [],
    attestedBy: `${actor} and ${secondPerson}: ${reason}`,
    seconds: {},
  }
}

/** Only before the point of no return: newer epoch first, so that no straggler promotes behind it. */
export async function unfence({ group, from, fromHost, fromReachable, to, toHost, epoch }: PairPlan): Promise<void> {
  const newer = epoch + 1
  const { promoted } = await stepsOn(toHost).revokePromotion({ group, site: to, epoch: newer })
  if (promoted) throw failure('PAST_NO_RETURN', `${to} is promoted`, { object: to })
  if (fromReachable) await stepsOn(fromHost).unfence({ group, site: from, epoch: newer })
  else await pair.releaseFence({ group, site: from })
}
