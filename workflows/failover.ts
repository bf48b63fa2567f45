/** The old side can no longer accept a write, the new one does, clients are sent there: then, and only then, it ends well. */
import { proxyActivities } from '@temporalio/workflow'
import type { PairActivities } from '../activities/pair.ts'
import type { FailoverReport, PairPlan } from '../src/contract/failover.ts'
import type { FailoverInput } from '../src/contract/inputs.ts'
import type { Ended } from '../src/contract/messages.ts'
import { failure, parseInput } from './lib/failure.ts'
import { approvedPlan } from './lib/approval.ts'
import { withLocks } from './lib/lock.ts'
import { planFor } from './lib/look.ts'
import { control } from './lib/options.ts'
import { recorded } from './lib/record.ts'
import { rejoin } from './lib/rejoin.ts'
import { createSaga, undoing } from './lib/saga.ts'
import { createSteering } from './lib/steering.ts'
import { createStepRunner } from './lib/steps.ts'
import { createClock, switchOver } from './lib/switch-over.ts'
import { createView } from './lib/view.ts'

const pair = proxyActivities<PairActivities>(control)

export async function failover(given: FailoverInput): Promise<FailoverReport & Ended> {
  const input = parseInput('failover', given)
  const { group, mode, requestedBy } = input
  const view = createView({ group, kind: mode })
  const steering = createSteering(view)
  const saga = createSaga((name) => view.step(name, 'undone'))
  const lost: string[] = []
  const run = createStepRunner(view, steering, lost)
  const clock = createClock(input.failedAt ? Date.parse(input.failedAt) : Date.now())
  const ready = async (sites: Record<string, string>): Promise<PairPlan> => {
    const plan = await planFor(group, sites, mode)
    refuseUnready(plan, input)
    return plan
  }
  const move = async (first: PairPlan, sites: Record<string, string>): Promise<FailoverReport> => {
    clock.mark('detect')
    const plan = await approvedPlan({ view, steering, first, again: () => ready(sites), requestedBy })
    clock.mark('approval')
    const result = await switchOver({ plan, mode, acceptLoss: input.acceptLoss, view, steering, saga, run, lost, clock })
    if (mode === 'planned') await rejoin({ plan, run, view })
    view.phase('ended')
    return { ...result, approvals: view.state.plan?.approvals ?? [], guaranteesLost: lost }
  }
  return recorded(
    view,
    { workflow: 'failover', group, requestedBy },
    async () => {
      const { sources, sites } = await pair.describeGroup({ group })
      const taking = { work: 'failover', wait: true, what: `failover of ${group}` } as const
      return withLocks([`group/${group}`], { ...taking, never: [`group/${group}`] }, async () => {
        view.phase('readiness')
        const plan = await ready(sites)
        // Only now, and all at once: one that is refused has not cancelled a backup.
        const resources = sources.map((name) => `source/${name}`)
        return withLocks(resources, { ...taking, together: true }, () => undoing(saga, () => move(plan, sites), 'FENCE_UNPROVEN'))
      })
    },
    ({ guaranteesLost, fenceProven }) => (guaranteesLost.length > 0 || !fenceProven ? 'degraded' : 'success'),
  )
}

export function refuseUnready(plan: PairPlan, { mode, acceptLoss }: Pick<FailoverInput, 'mode' | 'acceptLoss'>): void {
  const blocking = plan.findings.filter((finding) => finding.blocks && !finding.ok)
  if (blocking.length > 0)
    throw failure('NOT_READY', `${plan.group} is not ready: ${blocking.map((f) => `${f.name}: ${f.detail}`).join('; ')}`, {
      object: plan.group,
    })
  if (mode === 'planned' || acceptLoss) return
  if (!plan.lag.known || (plan.lag.bytes ?? 0) > plan.maxLagBytes) {
    throw failure('LAG_TOO_LARGE', `${plan.lag.text}; the limit is ${plan.maxLagBytes} bytes`, {
      object: plan.group,
      next: 'wait for the standby, or start again with "acceptLoss": true',
    })
  }
}
