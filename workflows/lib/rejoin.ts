/** The demoted side streams from the new primary: after a clean switch no rewind is needed. */
import type { PairPlan } from '../../src/contract/failover.ts'
import { stepsOn } from './hosts.ts'
import type { StepRunner } from './steps.ts'
import type { View } from './view.ts'

export interface Rejoin {
  plan: PairPlan
  run: StepRunner
  view: View
}

/** True once the side that the plan demoted streams from the other. */
export async function rejoin({ plan, run, view }: Rejoin): Promise<boolean> {
  const { group, from: site, fromHost: host, to: primary, toHost: primaryHost, epoch } = plan
  view.phase('rejoin')
  const there = stepsOn(host, { close: '10m' })
  const here = stepsOn(primaryHost, { close: '10m' })
  const lostWhenSkipped = 'the pair has no standby'
  await run({
    name: `rejoin ${site}`,
    lostWhenSkipped,
    act: () => there.rejoinStandby.executeWithOptions({ summary: site }, [{ group, site, primary, epoch }]),
  })
  const streaming = await run<{ streaming: boolean; slot: string }>({
    name: `awaitStreaming ${site}`,
    lostWhenSkipped,
    act: () => here.awaitStreaming.executeWithOptions({ summary: site }, [{ group, site, primary, epoch }]),
    say: (r) => `slot ${r.slot}`,
  })
  return streaming?.streaming ?? false
}
