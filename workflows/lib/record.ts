/** A run leaves a signed record of how it ended, whichever way: what nobody wrote down cannot be shown to an auditor. */
import { CancellationScope, proxyActivities } from '@temporalio/workflow'
import type { EvidenceActivities } from '../../activities/evidence.ts'
import type { WorkflowType } from '../../src/contract/inputs.ts'
import type { Ended } from '../../src/contract/messages.ts'
import type { Outcome } from '../../src/contract/search-attributes.ts'
import { outcomeOfFailure, rootFailure, unanswered } from './failure.ts'
import { control } from './options.ts'
import type { View } from './view.ts'

/** A store that is away must not keep a failover from ending: two minutes, then the run says that its record is missing. */
const { writeEvidence } = proxyActivities<EvidenceActivities>({ ...control, scheduleToCloseTimeout: '2m' })

export interface About {
  workflow: WorkflowType
  source?: string
  group?: string
  requestedBy?: string
}
/** What was done stays done where it cannot be recorded: the run ends degraded then, and its result says why. */
export async function recorded<T extends object>(
  view: View,
  about: About,
  body: () => Promise<T>,
  outcomeOf: (result: T) => Ended['outcome'] = () => 'success',
): Promise<T & Ended> {
  let result: T
  try {
    result = await body()
  } catch (failed) {
    const error = unanswered(failed, about.source ?? about.group ?? about.workflow)
    const { code, message } = rootFailure(error)
    const outcome = outcomeOfFailure(error)
    await record(view, about, outcome, { code, message, phase: view.state.phase, steps: view.state.steps })
    view.outcome(outcome)
    throw error
  }
  const outcome = outcomeOf(result)
  const recordMissing = await record(view, about, outcome, result)
  const ended: Ended = recordMissing === undefined ? { outcome } : { outcome: 'degraded', recordMissing }
  view.outcome(ended.outcome)
  return { ...result, ...ended }
}

/** Undefined, or why there is no record. A cancelled run is recorded, too. */
export async function record(view: View, about: About, outcome: Outcome, report: object): Promise<string | undefined> {
  const { requestedBy, ...place } = about
  const { log } = view.state
  const whole = { ...report, ...(requestedBy !== undefined && { requestedBy }), ...(log.length > 0 && { actions: log }) }
  try {
    await CancellationScope.nonCancellable(() =>
      writeEvidence.executeWithOptions({ summary: `evidence: ${outcome}` }, [{ ...place, outcome, report: whole }]),
    )
    return undefined
  } catch (error) {
    const { message } = rootFailure(error)
    view.step('record', 'failed', message)
    return message
  }
}
