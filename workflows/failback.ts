/**
 * Home again: what exists only on the old side is counted and exported first; then rewind, else re-clone; stream; a
 * planned switch that loses nothing; the demoted side streams; a new backup on the new timeline.
 */
import { executeChild, proxyActivities, workflowInfo } from '@temporalio/workflow'
import type { PairActivities } from '../activities/pair.ts'
import type { FailbackReport, LostWrites, PairPlan } from '../src/contract/failover.ts'
import type { FailbackInput } from '../src/contract/inputs.ts'
import type { Ended } from '../src/contract/messages.ts'
import type { BackupResult } from './backup.ts'
import { refuseUnready } from './failover.ts'
import { failure, parseInput, rootFailure } from './lib/failure.ts'
import { approvedPlan } from './lib/approval.ts'
import { withLocks } from './lib/lock.ts'
import { planFor } from './lib/look.ts'
import { stepsOn } from './lib/hosts.ts'
import { control } from './lib/options.ts'
import { recorded } from './lib/record.ts'
import { rejoin } from './lib/rejoin.ts'
import { createSaga, undoing } from './lib/saga.ts'
import { createSteering } from './lib/steering.ts'
import { createStepRunner, type StepRunner } from './lib/steps.ts'
import { createClock, switchOver } from './lib/switch-over.ts'
import { createView, type View } from './lib/view.ts'

const pair = proxyActivities<PairActivities>(control)
/** Moving a whole data directory takes as long as it takes. */
const hours = (host: string) => stepsOn(host, { close: '12h' })

export async function failback(given: FailbackInput): Promise<FailbackReport & Ended> {
  const input = parseInput('failback', given)
  const { group, requestedBy } = input
  const view = createView({ group, kind: 'failback' })
  const steering = createSteering(view)
  const saga = createSaga((name) => view.step(name, 'undone'))
  const guaranteesLost: string[] = []
  const run = createStepRunner(view, steering, guaranteesLost)
  const started = Date.now()
  const goHome = async (sites: Record<string, string>, slot: string): Promise<FailbackReport> => {
    const survey = await planFor(group, sites, 'failback')
    const rebuilt = await rebuild(survey, view, run)
    view.phase('readiness')
    const ready = async (): Promise<PairPlan> => {
      const plan = await planFor(group, sites, 'planned')
      refuseUnready(plan, { mode: 'planned', acceptLoss: false })
      return plan
    }
    const plan = await approvedPlan({ view, steering, first: await ready(), again: ready, requestedBy })
    const result = await switchOver({
      plan,
      mode: 'planned',
      acceptLoss: false,
      view,
      steering,
      saga,
      run,
      lost: guaranteesLost,
      clock: createClock(Date.now()),
    })
    const streaming = await rejoin({ plan, run, view })
    return {
      group,
      from: plan.from,
      to: plan.to,
      ...rebuilt,
      switch: result,
      streaming,
      slot,
      seconds: 0,
      approvals: view.state.plan?.approvals ?? [],
      guaranteesLost,
    }
  }
  return recorded(
    view,
    { workflow: 'failback', group, requestedBy },
    async () => {
      const { source, sources, slot, sites } = await pair.describeGroup({ group })
      const whole = await withLocks(
        [`group/${group}`, ...sources.map((name) => `source/${name}`)],
        { work: 'failover', wait: true, never: [`group/${group}`], together: true, what: `failback of ${group}` },
        () => undoing(saga, () => goHome(sites, slot), 'FENCE_UNPROVEN'),
      )
      if (source) {
        view.phase('backup')
        whole.backup = await run<BackupResult>({
          name: 'backup',
          lostWhenSkipped: 'the new timeline has no backup yet',
          act: () =>
            executeChild<(input: unknown) => Promise<BackupResult>>('backup', {
              workflowId: `${workflowInfo().workflowId}/backup`,
              args: [{ source, kind: 'post_failover' }],
            }),
        }).then((taken) => taken?.id)
      }
      whole.seconds = (Date.now() - started) / 1000
      view.phase('ended')
      return whole
    },
    ({ lost }) => (guaranteesLost.length > 0 || !lost.known ? 'degraded' : 'success'),
  )
}

type Export = Pick<FailbackReport, 'lost'> & { whole: boolean }

/** What only the home side has. Where not all of it is exported an operator decides before anything there is changed. */
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

/** The home side as a streaming standby again. Nothing of it is changed before what only it has was exported. */
async function rebuild(
  survey: PairPlan,
  view: View,
  run: StepRunner,
): Promise<Pick<FailbackReport, 'method' | 'methodReason' | 'lost' | 'kept'>> {
  const { group, epoch, from: primary, fromHost, to: site, toHost } = survey
  view.phase('export')
  const { lost, whole } = await exportLost(survey, run)
  view.phase('rebuild')
  let method: 'rewind' | 'reclone' = 'rewind'
  let methodReason: string | undefined
  let made: { kept?: string } | undefined
  await run({
    name: 'rebuildStandby',
    act: async () => {
      try {
        made = await hours(toHost).rewindOldPrimary.executeWithOptions({ summary: site }, [{ group, site, primary, epoch }])
      } catch (error) {
        const { code, message } = rootFailure(error)
        if (code !== 'REWIND_FAILED') throw error
        method = 'reclone'
        methodReason = message
        made = await hours(toHost).recloneOldPrimary.executeWithOptions({ summary: site }, [{ group, site, primary, epoch }])
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
async function removeKept({ group, to: site, toHost }: PairPlan, run: StepRunner): Promise<string | undefined> {
  const left = await run<{ kept?: string }>({
    name: 'removeKept',
    lostWhenSkipped: 'the copy of the old data takes space, and the next failback asks to remove it',
    act: () => hours(toHost).removeKept.executeWithOptions({ summary: site }, [{ group, site }]),
    say: (r) => (r?.kept === undefined ? 'removed' : `${r.kept} stays: not all of it is exported`),
  })
  return left?.kept
}
