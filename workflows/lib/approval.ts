/** A plan on its way to somebody else's yes. */
import type { PairPlan } from '../../src/contract/failover.ts'
import type { Steering } from './steering.ts'
import type { View } from './view.ts'

/** Older than this, or than the time that was given for a yes, what the plan saw may no longer be so. */
const FRESH_MS = 60_000

interface Asked {
  view: View
  steering: Steering
  first: PairPlan
  /** The plan as it would be made now; throws where it may not go on. */
  again(): Promise<PairPlan>
  requestedBy: string
}

/** The plan that was approved, as the pair is now: a late yes to what has changed since is asked for anew. */
export async function approvedPlan({ view, steering, first, again, requestedBy }: Asked): Promise<PairPlan> {
  let plan = first
  while (true) {
    view.phase('approval')
    const shownAt = Date.now()
    const { count, withinMs } = plan.approvals
    await steering.approved({ hash: plan.hash, text: plan.text, requestedBy, count, withinMs })
    if (Date.now() - shownAt <= Math.min(FRESH_MS, withinMs)) return plan
    const now = await again()
    if (movesAlike(now, plan)) return now
    plan = now
  }
}

/** All but how far the standby is behind, which is never the same twice: that was looked at against its limit. */
function movesAlike(a: PairPlan, b: PairPlan): boolean {
  const compared = ({ lag, text, hash, ...rest }: PairPlan) => JSON.stringify({ ...rest, lagKnown: lag.known })
  return compared(a) === compared(b)
}
