/**
 * The part that failover and failback share: fence, drain, the point of no return, promote, traffic, first good write.
 * Every phase ends where the next begins, so that they add up to the whole.
 */
import { CancellationScope, isCancellation, proxyActivities } from '@temporalio/workflow'
import type { HostActivities } from '../../activities/host.ts'
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
import { failure, rootFailure } from './failure.ts'
import { control, onHost } from './options.ts'
import type { Saga } from './saga.ts'
import type { Steering } from './steering.ts'
import type { StepRunner } from './steps.ts'
import type { View } from './view.ts'

const pair = proxyActivities<PairActivities>(control)
const host = (name: string) => proxyActivities<HostActivities>(onHost(name))

export interface SwitchContext {
  plan: PairPlan
  mode: 'planned' | 'unplanned'
  view: View
  steering: Steering
  saga: Saga
  run: StepRunner
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
  const { plan, mode, view, saga, run, clock } = context
  const { group, epoch } = plan

  view.phase('fence')
  saga.undoBy('unfence', () => unfence(plan))
  const fence = await fenceOld(context)
  clock.mark('fence')

  // What a side that did not stop cleanly wrote last goes into the archive half-filled: it could not go on behind that.
  if (!fence.clean) await pastNoReturn(context)
  view.phase('drain')
  const drain = await drainWal(context, fence)
  clock.mark('drain')

  await pastNoReturn(context)
  return CancellationScope.nonCancellable(async () => {
    view.phase('promote')
    const mustReach = mode === 'planned' && fence.lsn && fence.timeline ? { lsn: fence.lsn, timeline: fence.timeline } : undefined
    const promote = (await run<PromoteSummary>({
      name: 'promoteReplica',
      act: () =>
        host(plan.toHost).promoteReplica.executeWithOptions({ summary: `${plan.to}, epoch ${epoch}` }, [
          { group, site: plan.to, epoch, ...(mustReach && { mustReach }) },
        ]),
      say: (r) => `timeline ${r.timeline}`,
    })) as PromoteSummary
    clock.mark('promote')

    view.phase('traffic')
    await run<TrafficSummary>({
      name: 'updateDns',
      lostWhenSkipped: 'clients are not sent to the new primary',
      act: () => pair.updateDns.executeWithOptions({ summary: `to ${plan.to}` }, [{ group, to: plan.to, previous: plan.traffic }]),
      say: (r) => (r.changed ? `confirmed by ${r.confirmedBy.join(', ')}` : 'already there'),
    })
    clock.mark('traffic')

    view.phase('first good write')
    const good = (await run<GoodWrite>({
      name: 'checks',
      lostWhenSkipped: 'nobody saw a write succeed on the new primary',
      act: () => pair.firstGoodWrite.executeWithOptions({ summary: plan.to }, [{ group, site: plan.to, epoch }]),
      say: (r) => `${r.checks.length} checks`,
    })) ?? { at: '', site: plan.to, checks: [] }
    clock.mark('firstGoodWrite')
    return {
      group,
      mode,
      from: plan.from,
      to: plan.to,
      epoch,
      ...rtoOf(clock, plan),
      phases: clock.phases(),
      fence,
      fenceProven: fence.proved,
      drain,
      promote,
      loss: lossBound(plan, mode, fence, drain, promote),
      firstGoodWrite: good,
    }
  })
}

function rtoOf(clock: Clock, { rtoObjectiveSeconds: seconds }: PairPlan): Pick<FailoverReport, 'rtoSeconds' | 'rtoObjective'> {
  const rtoSeconds = clock.total()
  return { rtoSeconds, ...(seconds !== undefined && { rtoObjective: { seconds, met: rtoSeconds <= seconds } }) }
}

/** Recorded before the promotion is sent: a lost reply must not let anybody un-fence the old side. */
async function pastNoReturn({ steering, saga }: SwitchContext): Promise<void> {
  await steering.gate()
  steering.passNoReturn()
  saga.forget()
}

/** Nothing acknowledges a write on the old side from here: proved on its host, by a command, or attested by two persons. */
async function fenceOld({ plan, mode, view, steering }: SwitchContext): Promise<FenceSummary> {
  const name = 'fenceOldPrimary'
  while (true) {
    await steering.gate()
    view.step(name, 'running', plan.from)
    try {
      const fence = plan.fromReachable
        ? await host(plan.fromHost).fenceOldPrimary.executeWithOptions({ summary: `${plan.from}, epoch ${plan.epoch}` }, [
            { group: plan.group, site: plan.from, epoch: plan.epoch, mode },
          ])
        : await pair.fenceByCommand.executeWithOptions({ summary: plan.from }, [{ group: plan.group, site: plan.from }])
      view.step(name, 'done', fence.clean ? 'clean stop, proved' : 'proved')
      return fence
    } catch (error) {
      if (isCancellation(error)) throw error
      const { code, message } = rootFailure(error)
      view.step(name, 'failed', `${code}: ${message}`)
      // A host that runs but did not stop cleanly is no case for an attestation in planned mode: that is an operator's decision.
      const decision = await steering.attested(name, `${code}: ${message}`)
      if (decision === 'retry') continue
      view.step(name, 'done', `attested by ${decision.actor} and ${decision.secondPerson}`)
      return {
        proved: false,
        how: 'attested',
        clean: false,
        killed: 0,
        preparedTransactions: [],
        attestedBy: `${decision.actor} and ${decision.secondPerson}: ${decision.reason}`,
        seconds: {},
      }
    }
  }
}

async function drainWal({ plan, run }: SwitchContext, fence: FenceSummary): Promise<DrainSummary> {
  const pushed =
    fence.how === 'stop-instance'
      ? await run<{ reachable: boolean; segments: number; detail: string; lastRecord?: string }>({
          name: 'drainArchive',
          lostWhenSkipped: 'what the old side wrote last may be missing on the new one',
          act: () => host(plan.fromHost).drainArchive.executeWithOptions({ summary: plan.from }, [{ group: plan.group, site: plan.from }]),
          say: (r) => r.detail,
        })
      : undefined
  const mustPass = fence.clean ? fence.lsn : pushed?.lastRecord
  const end = await run<{ replayedLsn: string; reached: boolean }>({
    name: 'awaitReplay',
    lostWhenSkipped: 'what was archived last may be missing on the new side',
    act: () =>
      host(plan.toHost).awaitReplay.executeWithOptions({ summary: plan.to }, [
        { group: plan.group, site: plan.to, ...(mustPass !== undefined && { mustPass }) },
      ]),
    say: (r) => `${r.replayedLsn}${r.reached ? '' : ', the end was not reached'}`,
  })
  return {
    reachable: (pushed?.reachable ?? false) && (end?.reached ?? false),
    segments: pushed?.segments ?? 0,
    replayedLsn: end?.replayedLsn ?? '',
    detail: pushed?.detail ?? 'the old side cannot be read',
  }
}

/** Only before the point of no return: newer epoch first, so that no straggler promotes behind it. */
async function unfence(plan: PairPlan): Promise<void> {
  const epoch = plan.epoch + 1
  const { promoted } = await host(plan.toHost).revokePromotion({ group: plan.group, site: plan.to, epoch })
  if (promoted) throw failure('PAST_NO_RETURN', `${plan.to} is promoted`, { object: plan.to })
  if (plan.fromReachable) await host(plan.fromHost).unfence({ group: plan.group, site: plan.from, epoch })
}

function lossBound(plan: PairPlan, mode: string, fence: FenceSummary, drain: DrainSummary, promote: PromoteSummary): SwitchResult['loss'] {
  const canary = promote.lastCanary === undefined ? {} : { lastCanary: promote.lastCanary }
  if (fence.clean && (mode === 'planned' || drain.reachable))
    return { zero: true, ...canary, text: 'nothing: the old side stopped cleanly and the new one replayed past its last checkpoint' }
  if (drain.reachable)
    return {
      zero: false,
      ...canary,
      text: `only what was not in the old side's WAL when it died: ${drain.segments} segments were drained, replayed to ${drain.replayedLsn}`,
    }
  return {
    zero: false,
    ...(plan.lag.bytes !== undefined && { boundBytes: plan.lag.bytes }),
    ...canary,
    text: `what the old side wrote after ${promote.forkLsn}; final once its data can be read (failback counts and exports it). Last canary: ${promote.lastCanary ?? 'none'}. ${plan.lag.text}`,
  }
}
