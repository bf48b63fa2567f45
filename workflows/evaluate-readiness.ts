/** Every precheck of the plan without acting: a broken plan is known before it is needed. */
import { proxyActivities } from '@temporalio/workflow'
import type { PairActivities } from '../activities/pair.ts'
import type { PairPlan } from '../src/contract/failover.ts'
import { parseInput } from './lib/failure.ts'
import { planFor } from './lib/look.ts'
import { control } from './lib/options.ts'
import { createView, reporting } from './lib/view.ts'

const { describeGroup } = proxyActivities<PairActivities>(control)

export async function evaluateReadiness(given: { group: string }): Promise<PairPlan & { ready: boolean }> {
  const { group } = parseInput('evaluateReadiness', given)
  const view = createView({ group, kind: 'readiness' })
  return reporting(view, async () => {
    const { sites } = await describeGroup({ group })
    const plan = await planFor(group, sites, 'planned')
    const ready = plan.findings.every((finding) => finding.ok)
    view.outcome(ready ? 'success' : 'degraded')
    return { ...plan, ready }
  })
}
