/** Between fence and promotion: what only the old side has reaches the new one, or somebody answers for it. */
import { isCancellation } from '@temporalio/workflow'
import type { DrainSummary, FailoverReport, FenceSummary, PairPlan, PromoteSummary } from '../../src/contract/failover.ts'
import { stepsOn } from './hosts.ts'
import type { StepRunner } from './steps.ts'
import type { View } from './view.ts'

/** A stream that carried all of it needs no longer, unless the standby is busy replaying. */
const STREAM_MS = { planned: 60_000, unplanned: 5_000 }

export interface DrainContext {
  plan: PairPlan
  mode: 'planned' | 'unplanned'
  acceptLoss: boolean
  view: View
  run: StepRunner
  lost: string[]
}

/**
 * What a clean stop left, brought by the stream alone: nothing is touched by looking, and there is a way back. Undefined
 * where that is not known or not so; a planned switch waits for an operator instead, and does not go on without it.
 */
export async function awaitStreamed(context: DrainContext, fence: FenceSummary): Promise<DrainSummary | undefined> {
  const { plan, mode, view, run } = context
  const { clean, lsn, timeline } = fence
  if (!clean || lsn === undefined || timeline === undefined) return undefined
  const step = {
    name: 'awaitReplay',
    act: () =>
      stepsOn(plan.toHost).awaitReplay.executeWithOptions({ summary: `${plan.to}, past ${lsn}` }, [
        { group: plan.group, site: plan.to, mustReach: { lsn, timeline }, timeoutMs: STREAM_MS[mode] },
      ]),
    say: ({ replayedLsn }: { replayedLsn: string }) => `${replayedLsn}, past the clean stop at ${lsn}`,
  }
  const arrived = ({ replayedLsn }: { replayedLsn: string }): DrainSummary => ({
    reachable: true,
    segments: 0,
    replayedLsn,
    detail: 'the stream brought all of it',
  })
  if (mode === 'planned') return arrived((await run(step)) as { replayedLsn: string })
  view.step(step.name, 'running')
  try {
    const end = await step.act()
    view.step(step.name, 'done', step.say(end))
    return arrived(end)
  } catch (error) {
    if (isCancellation(error)) throw error
    view.step(step.name, 'waiting', 'the stream did not bring all of it: the old log is drained')
    return undefined
  }
}

/** Past the point of no return: the old log goes into the archive half-filled, and the old side could not go on behind that. */
export async function drainWal({ plan, acceptLoss, run, lost }: DrainContext, fence: FenceSummary): Promise<DrainSummary> {
  const pushed =
    fence.how === 'stop-instance' ? await pushRest(plan, run, 'what the old side wrote last may be missing on the new one') : undefined
  const mustPass = fence.clean ? fence.lsn : pushed?.lastRecord
  const guarantee = 'what the old side wrote last is missing on the new one'
  const end = await run<{ replayedLsn: string; reached: boolean }>({
    name: 'awaitReplay',
    lostWhenSkipped: guarantee,
    act: () =>
      stepsOn(plan.toHost).awaitReplay.executeWithOptions({ summary: plan.to }, [
        { group: plan.group, site: plan.to, mayMiss: acceptLoss, ...(mustPass !== undefined && { mustPass }) },
      ]),
    say: (r) => `${r.replayedLsn}${r.reached ? '' : ', the end was not reached'}`,
  })
  // The requester accepted a loss beforehand: it is taken, and named.
  if (end?.reached === false) lost.push(`awaitReplay: ${guarantee}`)
  return {
    reachable: (pushed?.reachable ?? false) && (end?.reached ?? false),
    segments: pushed?.segments ?? 0,
    replayedLsn: end?.replayedLsn ?? '',
    detail: pushed?.detail ?? 'the old side cannot be read',
  }
}

/** For the archive alone, once the new side works: without it no point in time behind what the old side had sent. */
export async function archiveRest({ plan, run }: DrainContext, drain: DrainSummary): Promise<DrainSummary> {
  const pushed = await pushRest(plan, run, 'what the old side wrote last may be missing in the archive')
  return { ...drain, segments: pushed?.segments ?? 0, detail: `${drain.detail}; ${pushed?.detail ?? 'its archive was left as it is'}` }
}

interface Pushed {
  reachable: boolean
  segments: number
  detail: string
  lastRecord?: string
}

const pushRest = ({ group, from, fromHost }: PairPlan, run: StepRunner, lostWhenSkipped: string): Promise<Pushed | undefined> =>
  run<Pushed>({
    name: 'drainArchive',
    lostWhenSkipped,
    act: () => stepsOn(fromHost).drainArchive.executeWithOptions({ summary: from }, [{ group, site: from }]),
    say: (r) => r.detail,
  })

export function lossBound(plan: PairPlan, fence: FenceSummary, drain: DrainSummary, promote: PromoteSummary): FailoverReport['loss'] {
  const canary = promote.lastCanary === undefined ? {} : { lastCanary: promote.lastCanary }
  if (fence.clean && drain.reachable)
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
