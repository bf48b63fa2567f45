/** A fenced side made a streaming standby again. Nothing of it is changed before what only it has was exported. */
import type { LostWrites, PairPlan, StandbyReport } from '../../src/contract/failover.ts'
import { failure, rootFailure } from './failure.ts'
import { stepsOn } from './hosts.ts'
import type { StepRunner } from './steps.ts'
import type { View } from './view.ts'

/** Moving a whole data directory takes as long as it takes. */
const hours = (host: string) => stepsOn(host, { close: '12h' })

export const NOTHING: LostWrites = { known: true, transactions: 0, tables: [], exported: [], bytes: 0 }

interface How {
  view: View
  run: StepRunner
  /** Nothing is there that its primary has not had: it is not exported, and no copy of it stays. */
  worthless?: boolean
}

type Export = Pick<StandbyReport, 'lost'> & { whole: boolean }

/** What only this side has. Where not all of it is exported an operator decides before anything there is changed. */
async function exportLost({ group, epoch, from: primary, to: site, toHost }: PairPlan, run: StepRunner): Promise<Export> {
  let found: LostWrites | undefined
  const exported = await run<LostWrites>({
    name: 'exportLostWrites',
    lostWhenSkipped: 'what exists only on the old side is not all counted and exported; its old data stays kept beside it',
    act: async () => {
      found = undefined
      found = await hours(toHost).exportLostWrites.executeWithOptions({ summary: site }, [{ group, site, primary, epoch }])
      requireWhole(site, found)
      return found
    },
    say: (r) => `${r.transactions} transactions`,
  })
  const skipped = { known: false, why: 'skipped by an operator', transactions: 0, tables: [], exported: [], bytes: 0 }
  return { lost: exported ?? found ?? skipped, whole: exported !== undefined }
}

function requireWhole(site: string, { known, why, transactions, warnings = [] }: LostWrites): void {
  const next = 'mend that and send retryStep; or skipStep to go on, and the old data stays kept'
  if (!known) throw failure('SOURCE_UNFIT', `what exists only on ${site} is not known: ${why}`, { object: site, next })
  if (warnings.length === 0) return
  const what = `of ${transactions} transactions that exist only on ${site} not all could be exported`
  throw failure('SOURCE_UNFIT', `${what}: ${warnings.join('; ')}`, { object: site, next, details: { warnings } })
}

/** The side that the survey moves to, by rewind or else by a new copy. */
export async function rebuildSide(
  survey: PairPlan,
  { view, run, worthless }: How,
): Promise<Pick<StandbyReport, 'methodReason' | 'lost' | 'kept'> & { method: 'rewind' | 'reclone' }> {
  const { group, epoch, from: primary, fromHost, to: site, toHost } = survey
  const input = { group, site, primary, epoch, ...(worthless && { worthless }) }
  view.phase('export')
  const { lost, whole } = worthless ? { lost: NOTHING, whole: true } : await exportLost(survey, run)
  view.phase('rebuild')
  let method: 'rewind' | 'reclone' = 'rewind'
  let methodReason: string | undefined
  let made: { kept?: string } | undefined
  await run({
    name: 'rebuildStandby',
    act: async () => {
      try {
        made = await hours(toHost).rewindOldPrimary.executeWithOptions({ summary: site }, [input])
      } catch (error) {
        const { code, message } = rootFailure(error)
        if (code !== 'REWIND_FAILED') throw error
        method = 'reclone'
        methodReason = message
        made = await hours(toHost).recloneOldPrimary.executeWithOptions({ summary: site }, [input])
      }
    },
    say: () => method,
  })
  await run({
    name: `awaitStreaming ${site}`,
    act: () => hours(fromHost).awaitStreaming.executeWithOptions({ summary: site }, [{ group, site, primary, epoch }]),
  })
  // As soon as the site streams and before anything else may end the run: one left behind would stand in the next one's way.
  const kept = whole ? await removeKept(survey, run) : made?.kept
  return { method, ...(methodReason !== undefined && { methodReason }), lost, ...(kept !== undefined && { kept }) }
}

/** The folder of the copy, where it stays all the same. */
export async function removeKept({ group, to: site, toHost }: PairPlan, run: StepRunner): Promise<string | undefined> {
  const left = await run<{ kept?: string }>({
    name: 'removeKept',
    lostWhenSkipped: 'the copy of the old data takes space, and the next failback asks to remove it',
    act: () => hours(toHost).removeKept.executeWithOptions({ summary: site }, [{ group, site }]),
    say: (r) => (r?.kept === undefined ? 'removed' : `${r.kept} stays: not all of it is exported`),
  })
  return left?.kept
}
