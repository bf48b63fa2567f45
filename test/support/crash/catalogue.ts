/** Every scenario, in the order in which they are best played: within a lane one leaves what the next begins with. */
import type { Scenario } from './scenario.ts'
import { openBooks } from './scenarios/books.ts'
import { openPair } from './scenarios/pair.ts'
import { stanzaScenarios } from './scenarios/stanza.ts'
import type { CrashStage } from './stage.ts'

export const SCENARIOS = [
  ['books', 'backup'],
  ['books', 'verifyRestore'],
  ['books', 'restore'],
  ['books', 'restore live'],
  ['books', 'retention'],
  ['pair', 'backup physical'],
  ['pair', 'verifyRestore physical'],
  ['pair', 'pointInTimeRecovery'],
  ['pair', 'retention physical'],
  ['pair', 'failover planned'],
  ['pair', 'failover'],
  ['pair', 'failback'],
] as const
export type LaneName = (typeof SCENARIOS)[number][0]

/** The scenarios of a lane, whose servers start with it. */
export async function openScenarios(stage: CrashStage, lane: LaneName): Promise<Scenario[]> {
  if (lane === 'books') {
    const { backup, verifyRestore, restore, restoreLive, retention } = await openBooks(stage)
    return [backup, verifyRestore, restore, restoreLive, retention]
  }
  const { lane: opened, failoverPlanned, failover, failback } = await openPair(stage)
  const { backup, verifyRestore, pointInTimeRecovery, retention } = stanzaScenarios(stage, opened)
  return [backup, verifyRestore, pointInTimeRecovery, retention, failoverPlanned, failover, failback]
}
