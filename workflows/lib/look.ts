/** Both sides of a pair as their own hosts see them, within seconds: a host that does not answer is a finding, not a wait. */
import { isCancellation, patched, proxyActivities } from '@temporalio/workflow'
import type { HostActivities } from '../../activities/host.ts'
import type { PairActivities } from '../../activities/pair.ts'
import type { PairMode, PairPlan, SiteFacts } from '../../src/contract/failover.ts'
import { rootFailure } from './failure.ts'
import { control, onHost } from './options.ts'

const pair = proxyActivities<PairActivities>(control)
const PATIENCE = { start: '6s', close: '30s' }
/** A worker that died while it looked is another than a host that is gone: the next one may be there already. */
const AGAIN = { heartbeatTimeout: '5s', retry: { initialInterval: '500ms', maximumAttempts: 2 } } as const

/** Where the side that is needed does not answer there is nowhere to go yet: a worker that hangs is likelier than a host that is gone. */
const LOOKS = 3

export async function planFor(group: string, sites: Record<string, string>, mode: PairMode): Promise<PairPlan> {
  let facts = await lookAtAll(group, sites)
  for (let looks = 1; looks < LOOKS && !answers(facts, mode) && patched('look-again'); looks++) facts = await lookAtAll(group, sites)
  return pair.planSwitch.executeWithOptions({ summary: `${group} ${mode}` }, [{ group, mode, facts }])
}

function answers(facts: Record<string, SiteFacts>, mode: PairMode): boolean {
  const sides = Object.values(facts)
  return mode === 'unplanned'
    ? sides.some(({ reachable, role }) => reachable && role === 'standby')
    : sides.every(({ reachable }) => reachable)
}

export async function lookAtAll(group: string, sites: Record<string, string>): Promise<Record<string, SiteFacts>> {
  const seen = Object.entries(sites).map(async ([site, host]) => [site, await look(group, site, host)] as const)
  return Object.fromEntries(await Promise.all(seen))
}

async function look(group: string, site: string, host: string): Promise<SiteFacts> {
  try {
    const there = proxyActivities<HostActivities>({ ...onHost(host, PATIENCE), ...AGAIN })
    return await there.inspect.executeWithOptions({ summary: site }, [{ group, site }])
  } catch (error) {
    if (isCancellation(error)) throw error
    return {
      reachable: false,
      running: false,
      role: 'down',
      why: rootFailure(error).message,
      pinned: false,
      epoch: 0,
      walReadable: false,
      streaming: false,
    }
  }
}
