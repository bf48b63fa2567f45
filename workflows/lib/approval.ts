/** A plan on its way to somebody else's yes. */
import type { PairPlan } from '../../src/contract/failover.ts'
import type { Steering } from './steering.ts'
import type { View } from './view.ts'

export async function approvePlan(view: View, steering: Steering, plan: PairPlan, requestedBy: string): Promise<void> {
  view.phase('approval')
  const { count, withinMs } = plan.approvals
  await steering.approved({ hash: plan.hash, text: plan.text, requestedBy, count, withinMs })
}
