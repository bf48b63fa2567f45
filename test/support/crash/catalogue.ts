/** Every scenario, in the order in which they are best played: within a lane one leaves what the next begins with. */
import type { Scenario } from './scenario.ts'
import { openBooks } from './scenarios/books.ts'
import { openKeeping } from './scenarios/keeping.ts'
import { openPair } from './scenarios/pair.ts'
import { openSampleLane } from './scenarios/samples.ts'
import { openSite } from './scenarios/site.ts'
import { stanzaScenarios } from './scenarios/stanza.ts'
import type { CrashStage } from './stage.ts'
import { ALL_SAMPLES } from '../sources/index.ts'

const POSTGRES = [
  ['books', 'backup'],
  ['books', 'verifyRestore'],
  ['books', 'restore'],
  ['books', 'restore live'],
  ['books', 'discardInstance'],
  ['books', 'retention'],
  ['pair', 'backup physical'],
  ['pair', 'verifyRestore physical'],
  ['pair', 'pointInTimeRecovery'],
  ['pair', 'walSwitch'],
  ['pair', 'retention physical'],
  ['pair', 'evaluateReadiness'],
  ['pair', 'failover planned'],
  ['pair', 'rebuildStandby'],
  ['pair', 'restore live physical'],
  ['pair', 'failover'],
  ['pair', 'failback'],
] as const
/** What becomes of points once they are taken. */
const POINTS = [
  ['keeping', 'copyPoints'],
  ['keeping', 'rotateKeys'],
  ['keeping', 'checkKeys'],
  ['keeping', 'holdRecoveryPoint'],
  ['keeping', 'holdRecoveryPoint release'],
  ['keeping', 'deleteRecoveryPoint'],
  ['keeping', 'adopt'],
] as const
/** Of several sources, and of a source that is changed. */
const SITES = [
  ['site', 'backupSet'],
  ['site', 'recoverSite'],
  ['site', 'migrate'],
  ['site', 'rebuildProjection'],
] as const
/** Workflows without a scenario, and why. */
export const WITHOUT: Readonly<Record<string, string>> = {
  backupWhenDue: 'looks, and has a backup taken as any other run has',
  resourceLock: 'runs no activity; every other scenario takes and leaves locks under its crashes',
}
/** Each other kind of source has a lane of its own. */
const OTHERS = Object.keys(ALL_SAMPLES).flatMap((name) =>
  ['backup', 'verifyRestore', 'restore live'].map((workflow) => [name, `${workflow} ${name}`] as const),
)
export const SCENARIOS: readonly (readonly [lane: string, name: string])[] = [...POSTGRES, ...POINTS, ...SITES, ...OTHERS]

/** The scenarios of a lane, whose servers start with it. */
export async function openScenarios(stage: CrashStage, lane: string): Promise<Scenario[]> {
  if (lane === 'books') {
    const { backup, verifyRestore, restore, restoreLive, discard, retention } = await openBooks(stage)
    return [backup, verifyRestore, restore, restoreLive, discard, retention]
  }
  if (lane === 'keeping') return openKeeping(stage)
  if (lane === 'site') return openSite(stage)
  if (lane in ALL_SAMPLES) {
    const { backup, verifyRestore, restoreLive } = await openSampleLane(stage, lane)
    return [backup, verifyRestore, restoreLive]
  }
  const { lane: opened, readiness, failoverPlanned, failover, failback, rebuildStandby, restoreLive } = await openPair(stage)
  const { backup, verifyRestore, pointInTimeRecovery, walSwitch, retention } = stanzaScenarios(stage, opened)
  return [
    backup,
    verifyRestore,
    pointInTimeRecovery,
    walSwitch,
    retention,
    readiness,
    failoverPlanned,
    rebuildStandby,
    restoreLive,
    failover,
    failback,
  ]
}
