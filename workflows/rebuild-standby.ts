/**
 * The side that does not take writes made a streaming standby of the one that does: after a restore of the pair, a lost
 * disk, a log that was gone too soon, or a failover to the home side. The primary goes on meanwhile.
 */
import { proxyActivities, workflowInfo } from '@temporalio/workflow'
import type { HostActivities } from '../activities/host.ts'
import type { PairActivities } from '../activities/pair.ts'
import type { PairPlan, StandbyReport } from '../src/contract/failover.ts'
import type { RebuildStandbyInput } from '../src/contract/inputs.ts'
import type { Ended } from '../src/contract/messages.ts'
import { failure, parseInput } from './lib/failure.ts'
import { stepsOn } from './lib/hosts.ts'
import { withLocks } from './lib/lock.ts'
import { planFor } from './lib/look.ts'
import { control } from './lib/options.ts'
import { NOTHING, rebuildSide, removeKept } from './lib/rebuild.ts'
import { recorded } from './lib/record.ts'
import { createSteering } from './lib/steering.ts'
import { createStepRunner, plainSteps, type StepRunner } from './lib/steps.ts'
import { createView, type View } from './lib/view.ts'

type Had = Awaited<ReturnType<HostActivities['retireStandby']>>['had']
const HAD: Record<Had, string> = { nothing: 'a new place', standby: 'a standby', primary: 'a primary of before' }

const { describeGroup } = proxyActivities<PairActivities>(control)

export async function rebuildStandby(given: RebuildStandbyInput): Promise<StandbyReport & Ended> {
  const { group, requestedBy } = parseInput('rebuildStandby', given)
  const view = createView({ group, kind: 'rebuildStandby' })
  const lost: string[] = []
  // As a part of another run it waits for no operator: that run says how it ended.
  const run = workflowInfo().parent ? plainSteps(view) : createStepRunner(view, createSteering(view), lost)
  return recorded(
    view,
    { workflow: 'rebuildStandby', group, requestedBy },
    async () => {
      const started = Date.now()
      const { sites } = await describeGroup({ group })
      const resource = `group/${group}`
      const what = `rebuild of the standby of ${group}`
      return withLocks([resource], { work: 'failover', wait: true, never: [resource], what }, async () => {
        view.phase('readiness')
        const survey = await planFor(group, sites, 'rebuild')
        const rebuilt = await rebuild(survey, view, run)
        view.phase('ended')
        return { group, primary: survey.from, standby: survey.to, ...rebuilt, seconds: (Date.now() - started) / 1000 }
      })
    },
    ({ lost: writes }) => (lost.length > 0 || !writes.known ? 'degraded' : 'success'),
  )
}

type Rebuilt = Pick<StandbyReport, 'method' | 'methodReason' | 'lost' | 'kept'>

async function rebuild(survey: PairPlan, view: View, run: StepRunner): Promise<Rebuilt> {
  const { group, to: site, toHost, epoch, findings } = survey
  const broken = findings.filter(({ ok }) => !ok)
  if (broken.length === 0) {
    // What a rebuild has left that was killed right before its end.
    const kept = await removeKept(survey, run)
    return { method: 'none', lost: NOTHING, ...(kept !== undefined && { kept }) }
  }
  const silent = broken.find(({ name }) => name === 'host answers')
  if (silent)
    throw failure('NOT_READY', `${group}: ${silent.detail}`, { object: site, next: `start the worker with the role host:${toHost}` })
  view.phase('fence')
  const fenced = await run<{ had: Had }>({
    name: `fence ${site}`,
    act: () => stepsOn(toHost).retireStandby.executeWithOptions({ summary: `${site}, epoch ${epoch}` }, [{ group, site, epoch }]),
    say: ({ had }) => HAD[had],
  })
  return rebuildSide(survey, { view, run, empty: fenced?.had === 'nothing' })
}
