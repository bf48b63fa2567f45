/**
 * The part that failover and failback share: fence, drain, the point of no return, promote, traffic, first good write.
 * Every phase ends where the next begins, so that they add up to the whole.
 */
import { CancellationScope, proxyActivities } from '@temporalio/workflow'
import type { PairActivities } from '../../activities/pair.ts'
import {
  type DrainSummary,
  type FailoverReport,
  type FenceSummary,
  type GoodWrite,
  PHASES,
  type PairPlan,
  type Phases,
  type PromoteSummary,
  type TrafficSummary,
} from '../../src/contract/failover.ts'
import { archiveRest, awaitStreamed, type DrainContext, drainWal, lossBound } from './draining.ts'
import { type FenceContext, fenceOld, unfence } from './fencing.ts'
import { stepsOn } from './hosts.ts'
import { control } from './options.ts'
import type { Saga } from './saga.ts'

const pair = proxyActivities<PairActivities>(control)

export interface SwitchContext extends FenceContext, DrainContext {
  saga: Saga
  clock: Clock
}
export type SwitchResult = Pick<
  FailoverReport,
  | 'group'
  | 'mode'
  | 'from'
  | 'to'
  | 'epoch'
  | 'rtoSeconds'
  | 'rtoObjective'
  | 'phases'
  | 'fence'
  | 'fenceProven'
  | 'drain'
  | 'promote'
  | 'loss'
  | 'firstGoodWrite'
>

export interface Clock {
  mark(phase: keyof Phases): void
  phases(): Phases
  total(): number
}
/** Phases without gaps: each mark ends one and begins the next. */
export function createClock(from: number): Clock {
  const phases = Object.fromEntries(PHASES.map((name) => [name, 0])) as Phases
  let last = from
  return {
    mark(phase) {
      const now = Date.now()
      phases[phase] += (now - last) / 1000
      last = now
    },
    phases: () => phases,
    total: () => (last - from) / 1000,
  }
}

export async function switchOver(context: SwitchContext): Promise<SwitchResult> {
  const { plan, view, saga, clock } = context
  view.phase('fence')
  saga.undoBy('unfence', () => unfence(plan))
  const fence = await fenceOld(context)
  clock.mark('fence')
  view.phase('drain')
  const streamed = await awaitStreamed(context, fence)
  await pastNoReturn(context)
  // No cancel either from here on: it would leave a fenced side and nobody promoted.
  return CancellationScope.nonCancellable(() => goOver(context, fence, streamed))
}

async function goOver(context: SwitchContext, fence: FenceSummary, streamed: DrainSummary | undefined): Promise<SwitchResult> {
  const { plan, mode, view, clock } = context
  const drained = streamed ?? (await drainWal(context, fence))
  clock.mark('drain')
  view.phase('promote')
  const promote = await promoteNew(context, streamed && fence)
  clock.mark('promote')
  view.phase('traffic')
  await moveTraffic(context)
  clock.mark('traffic')
  view.phase('first good write')
  const firstGoodWrite = await awaitGoodWrite(context)
  clock.mark('firstGoodWrite')
  const rto = rtoOf(clock, plan)
  const drain = streamed ? await archiveRest(context, streamed) : drained
  return {
    group: plan.group,
    mode,
    from: plan.from,
    to: plan.to,
    epoch: plan.epoch,
    ...rto,
    phases: clock.phases(),
    fence,
    fenceProven: fence.proved,
    drain,
    promote,
    loss: lossBound(plan, fence, drain, promote),
    firstGoodWrite,
  }
}

async function promoteNew({ plan, run }: SwitchContext, stopped: FenceSummary | undefined): Promise<PromoteSummary> {
  const { group, to, toHost, epoch } = plan
  const mustReach = stopped?.lsn && stopped.timeline ? { lsn: stopped.lsn, timeline: stopped.timeline } : undefined
  const promoted = await run<PromoteSummary>({
    name: 'promoteReplica',
    act: () =>
      stepsOn(toHost).promoteReplica.executeWithOptions({ summary: `${to}, epoch ${epoch}` }, [
        { group, site: to, epoch, ...(mustReach && { mustReach }) },
      ]),
    say: (r) => `timeline ${r.timeline}`,
  })
  // It cannot be skipped.
  return promoted as PromoteSummary
}

async function moveTraffic({ plan, run }: SwitchContext): Promise<void> {
  await run<TrafficSummary>({
    name: 'updateDns',
    lostWhenSkipped: 'clients are not sent to the new primary',
    act: () =>
      pair.updateDns.executeWithOptions({ summary: `to ${plan.to}` }, [{ group: plan.group, to: plan.to, previous: plan.traffic }]),
    say: (r) => (r.changed ? `confirmed by ${r.confirmedBy.join(', ')}` : 'already there'),
  })
}

async function awaitGoodWrite({ plan, run }: SwitchContext): Promise<GoodWrite> {
  const { group, to, epoch } = plan
  const good = await run<GoodWrite>({
    name: 'checks',
    lostWhenSkipped: 'nobody saw a write succeed on the new primary',
    act: () => pair.firstGoodWrite.executeWithOptions({ summary: to }, [{ group, site: to, epoch }]),
    say: (r) => `${r.checks.length} checks`,
  })
  return good ?? { at: '', site: to, checks: [] }
}

/** Recorded before anything that cannot be undone is sent: a lost reply must not let anybody un-fence the old side. */
async function pastNoReturn({ steering, saga }: SwitchContext): Promise<void> {
  await steering.gate()
  steering.passNoReturn()
  saga.forget()
}

function rtoOf(clock: Clock, { rtoObjectiveSeconds: seconds }: PairPlan): Pick<FailoverReport, 'rtoSeconds' | 'rtoObjective'> {
  const rtoSeconds = clock.total()
  return { rtoSeconds, ...(seconds !== undefined && { rtoObjective: { seconds, met: rtoSeconds <= seconds } }) }
}
