/** Activities of a pair that plays its part: east is the primary, west the standby, until a test says otherwise. */
import type { PairPlan, SiteFacts } from '../../../src/contract/failover.ts'
import type { Fakes } from './stage.ts'

export const PLAN: PairPlan = {
  group: 'shop',
  epoch: 2,
  from: 'east',
  to: 'west',
  fromHost: 'db1',
  toHost: 'db2',
  source: 'shop',
  fromReachable: true,
  fromRunning: false,
  lag: { known: true, bytes: 0, text: '0 bytes of WAL behind' },
  maxLagBytes: 1000,
  findings: [],
  text: ['fence east', 'promote west'],
  hash: 'abc123',
  traffic: [],
  approvals: { count: 1, withinMs: 60_000 },
}
export const FACTS: SiteFacts = {
  reachable: true,
  running: true,
  role: 'standby',
  pinned: false,
  epoch: 1,
  walReadable: true,
  streaming: true,
}

export function pairFakes(plan: Partial<PairPlan> = {}, own: Fakes = {}): Fakes {
  return {
    describeGroup: async () => ({ source: 'shop', sources: ['shop'], slot: 'slot', primary: 'east', sites: { east: 'db1', west: 'db2' } }),
    inspect: async () => FACTS,
    planSwitch: async () => ({ ...PLAN, ...plan }),
    fenceOldPrimary: async () => ({
      proved: true,
      how: 'stop-instance',
      clean: true,
      lsn: '0/1',
      timeline: 1,
      killed: 0,
      preparedTransactions: [],
      seconds: {},
    }),
    fenceByCommand: async () => {
      throw new Error('no command fence')
    },
    releaseFence: async () => undefined,
    drainArchive: async () => ({ reachable: true, segments: 1, detail: '1 segment' }),
    awaitReplay: async () => ({ replayedLsn: '0/2', reached: true }),
    promoteReplica: async () => ({ timeline: 2, forkLsn: '0/2', alreadyPromoted: false, seconds: 0.1 }),
    updateDns: async () => ({ changed: true, confirmedBy: ['ns'], oldAnswersUntil: '', previous: [] }),
    firstGoodWrite: async () => ({ at: new Date().toISOString(), site: 'west', checks: [] }),
    revokePromotion: async () => ({ promoted: false }),
    unfence: async () => undefined,
    rejoinStandby: async () => undefined,
    awaitStreaming: async () => ({ streaming: true, slot: 'slot' }),
    writeEvidence: async () => ({ writer: 'test', number: 1 }),
    ...own,
  }
}
