/**
 * The side that does not take writes made a streaming standby of the one that does: after a restore of the pair, a lost
 * disk, a log that was gone too soon, or a failover to the home side. The primary goes on meanwhile.
 */
import { isCancellation, proxyActivities, workflowInfo } from '@temporalio/workflow'
import type { HostActivities } from '../activities/host.ts'
import type { PairActivities } from '../activities/pair.ts'
import type { PairPlan, StandbyReport } from '../src/contract/failover.ts'
import type { RebuildStandbyInput } from '../src/contract/inputs.ts'
import type { Ended } from '../src/contract/messages.ts'
import { failure, parseInput, rootFailure } from './lib/failure.ts'
import { stepsOn } from './lib/hosts.ts'
import { withLocks } from './lib/lock.ts'
import { planFor } from './lib/look.ts'
import { control } from './lib/options.ts'
import { NOTHING, rebuildSide, removeKept } from './lib/rebuild.ts'
import { recorded } from './lib/record.ts'
import { createSteering } from './lib/steering.ts'
import { createStepRunner, plainSteps, type StepRunner } from './lib/steps.ts'
import { createView, type View } from './lib/view.ts'

type Had = Awaited<ReturnType<HostActivities['lookAtRetired']>>['had']
const HAD: Record<Had, string> = { nothing: 'a new place', standby: 'a standby', own: 'what may be nowhere else' }
/** One that was only stopped, or was away for a moment, has come back by then. */
const BACK_MS = 30_000

const { describeGroup } = proxyActivities<PairActivities>(control)

export async function rebuildStandby(given: RebuildStandbyInput): Promise<StandbyReport & Ended> {
  const { group, requestedBy, streamed } = parseInput('rebuildStandby', given)
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
      return withLocks([resource], { work: 'rebuild', wait: false, what }, async () => {
        view.phase('readiness')
        const survey = await planFor(group, sites, 'rebuild')
        const rebuilt = await rebuild(survey, { view, run, streamed })
        view.phase('ended')
        return { group, primary: survey.from, standby: survey.to, ...rebuilt, seconds: (Date.now() - started) / 1000 }
      })
    },
    ({ lost: writes }) => (lost.length > 0 || !writes.known ? 'degraded' : 'success'),
  )
}

type Rebuilt = Pick<StandbyReport, 'method' | 'methodReason' | 'lost' | 'kept'>

interface How {
  view: View
  run: StepRunner
  /** It streamed until it was fenced: all that it has came from its primary. */
  streamed: boolean
}

async function rebuild(survey: PairPlan, { view, run, streamed }: How): Promise<Rebuilt> {
  const { group, to: site, toHost, findings } = survey
  const broken = findings.filter(({ ok }) => !ok)
  if (broken.length === 0) return nothingToDo(survey, run)
  const silent = broken.find(({ name }) => name === 'host answers')
  if (silent)
    throw failure('NOT_READY', `${group}: ${silent.detail}`, { object: site, next: `start the worker with the role host:${toHost}` })
  view.phase('fence')
  await retire(survey, run)
  if (streamed) return rebuildSide(survey, { view, run, worthless: true })
  const had = await lookAt(survey, run)
  if (had === 'standby' && (await comesBack(survey, view))) return nothingToDo(survey, run)
  if (had === 'standby') await retire(survey, run)
  return rebuildSide(survey, { view, run, worthless: had !== 'own' })
}

const retire = ({ group, to: site, toHost, epoch }: PairPlan, run: StepRunner) =>
  run<void>({
    name: `fence ${site}`,
    act: () => stepsOn(toHost).retireStandby.executeWithOptions({ summary: `${site}, epoch ${epoch}` }, [{ group, site, epoch }]),
  })

/** Where an operator skips it, as if nobody else had what it has. */
async function lookAt({ group, from: primary, to: site, toHost }: PairPlan, run: StepRunner): Promise<Had> {
  const found = await run<{ had: Had }>({
    name: `look at ${site}`,
    lostWhenSkipped: 'what it has is exported as far as that can be told, and else stays beside it',
    act: () => stepsOn(toHost).lookAtRetired.executeWithOptions({ summary: site }, [{ group, site, primary }]),
    say: ({ had }) => HAD[had],
  })
  return found?.had ?? 'own'
}

/** Hours of copying are saved where all that it needs is to be started. */
async function comesBack({ group, from: primary, fromHost, to: site, toHost, epoch }: PairPlan, view: View): Promise<boolean> {
  const step = `start ${site}`
  view.step(step, 'running')
  try {
    await stepsOn(toHost).unfence.executeWithOptions({ summary: site }, [{ group, site, epoch }])
    await stepsOn(fromHost, { close: '1m' }).awaitStreaming.executeWithOptions({ summary: site }, [
      { group, site, primary, epoch, timeoutMs: BACK_MS },
    ])
    view.step(step, 'done', 'it streams')
    return true
  } catch (error) {
    if (isCancellation(error)) throw error
    view.step(step, 'failed', rootFailure(error).message)
    return false
  }
}

/** But for what a rebuild has left that was killed right before its end. */
async function nothingToDo(survey: PairPlan, run: StepRunner): Promise<Rebuilt> {
  const kept = await removeKept(survey, run)
  return { method: 'none', lost: NOTHING, ...(kept !== undefined && { kept }) }
}
