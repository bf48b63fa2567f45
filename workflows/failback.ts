/**
 * Home again: what exists only on the old side is counted and exported first; then rewind, else re-clone; stream; a
 * planned switch that loses nothing; the demoted side streams; a new backup on the new timeline.
 */
import { executeChild, proxyActivities, workflowInfo } from '@temporalio/workflow'
import type { PairActivities } from '../activities/pair.ts'
import type { FailbackReport, PairPlan } from '../src/contract/failover.ts'
import type { FailbackInput } from '../src/contract/inputs.ts'
import type { Ended } from '../src/contract/messages.ts'
import type { BackupResult } from './backup.ts'
import { refuseUnready } from './failover.ts'
import { parseInput } from './lib/failure.ts'
import { approvedPlan } from './lib/approval.ts'
import { withLocks } from './lib/lock.ts'
import { planFor } from './lib/look.ts'
import { control } from './lib/options.ts'
import { rebuildSide } from './lib/rebuild.ts'
import { recorded } from './lib/record.ts'
import { rejoin } from './lib/rejoin.ts'
import { createSaga, undoing } from './lib/saga.ts'
import { createSteering } from './lib/steering.ts'
import { createStepRunner } from './lib/steps.ts'
import { createClock, switchOver } from './lib/switch-over.ts'
import { createView } from './lib/view.ts'

const pair = proxyActivities<PairActivities>(control)

export async function failback(given: FailbackInput): Promise<FailbackReport & Ended> {
  const input = parseInput('failback', given)
  const { group, requestedBy } = input
  const view = createView({ group, kind: 'failback' })
  const steering = createSteering(view)
  const saga = createSaga((name) => view.step(name, 'undone'))
  const guaranteesLost: string[] = []
  const run = createStepRunner(view, steering, guaranteesLost)
  const started = Date.now()
  const goHome = async (sites: Record<string, string>, slot: string): Promise<FailbackReport> => {
    const survey = await planFor(group, sites, 'failback')
    const rebuilt = await rebuildSide(survey, { view, run })
    view.phase('readiness')
    const ready = async (): Promise<PairPlan> => {
      const plan = await planFor(group, sites, 'planned')
      refuseUnready(plan, { mode: 'planned', acceptLoss: false })
      return plan
    }
    const plan = await approvedPlan({ view, steering, first: await ready(), again: ready, requestedBy })
    const result = await switchOver({
      plan,
      mode: 'planned',
      acceptLoss: false,
      view,
      steering,
      saga,
      run,
      lost: guaranteesLost,
      clock: createClock(Date.now()),
    })
    const streaming = await rejoin({ plan, run, view })
    return {
      group,
      from: plan.from,
      to: plan.to,
      ...rebuilt,
      switch: result,
      streaming,
      slot,
      seconds: 0,
      approvals: view.state.plan?.approvals ?? [],
      guaranteesLost,
    }
  }
  return recorded(
    view,
    { workflow: 'failback', group, requestedBy },
    async () => {
      const { source, sources, slot, sites } = await pair.describeGroup({ group })
      const whole = await withLocks(
        [`group/${group}`, ...sources.map((name) => `source/${name}`)],
        { work: 'failover', wait: true, never: [`group/${group}`], together: true, what: `failback of ${group}` },
        () => undoing(saga, () => goHome(sites, slot), 'FENCE_UNPROVEN'),
      )
      if (source) {
        view.phase('backup')
        whole.backup = await run<BackupResult>({
          name: 'backup',
          lostWhenSkipped: 'the new timeline has no backup yet',
          act: () =>
            executeChild<(input: unknown) => Promise<BackupResult>>('backup', {
              workflowId: `${workflowInfo().workflowId}/backup`,
              args: [{ source, kind: 'post_failover' }],
            }),
        }).then((taken) => taken?.id)
      }
      whole.seconds = (Date.now() - started) / 1000
      view.phase('ended')
      return whole
    },
    ({ lost }) => (guaranteesLost.length > 0 || !lost.known ? 'degraded' : 'success'),
  )
}
