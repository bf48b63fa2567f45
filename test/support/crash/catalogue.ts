/** Every scenario, in the order in which they are best played: within a lane one leaves what the next begins with. */
import type { Scenario } from './scenario.ts'
import { openBooks } from './scenarios/books.ts'
import { openPair } from './scenarios/pair.ts'
import { openSampleLane } from './scenarios/samples.ts'
import { stanzaScenarios } from './scenarios/stanza.ts'
import type { CrashStage } from './stage.ts'
import { ALL_SAMPLES } from '../sources/index.ts'

const POSTGRES = [
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
/** Each other kind of source has a lane of its own. */
const OTHERS = Object.keys(ALL_SAMPLES).flatMap((name) =>
  ['backup', 'verifyRestore', 'restore live'].map((workflow) => [name, `${workflow} ${name}`] as const),
)
export const SCENARIOS: readonly (readonly [lane: string, name: string])[] = [...POSTGRES, ...OTHERS]

/** The scenarios of a lane, whose servers start with it. */
export async function openScenarios(stage: CrashStage, lane: string): Promise<Scenario[]> {
  if (lane === 'books') {
    const { backup, verifyRestore, restore, restoreLive, retention } = await openBooks(stage)
    return [backup, verifyRestore, restore, restoreLive, retention]
  }
  if (lane in ALL_SAMPLES) {
    const { backup, verifyRestore, restoreLive } = await openSampleLane(stage, lane)
    return [backup, verifyRestore, restoreLive]
  }
  const { lane: opened, failoverPlanned, failover, failback } = await openPair(stage)
  const { backup, verifyRestore, pointInTimeRecovery, retention } = stanzaScenarios(stage, opened)
  return [backup, verifyRestore, pointInTimeRecovery, retention, failoverPlanned, failover, failback]
}
