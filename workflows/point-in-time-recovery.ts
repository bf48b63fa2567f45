/** A database as it was at one moment, beside the live one, with proof of where replay stopped and the commands to copy from it. */
import { type ActivityInterfaceFor, patched, proxyActivities, workflowInfo } from '@temporalio/workflow'
import type { BackupActivities } from '../activities/backup.ts'
import type { ProofActivities } from '../activities/proof.ts'
import type { RecoverActivities, RecoveryReport } from '../activities/recover.ts'
import type { PitrInput } from '../src/contract/inputs.ts'
import type { Ended } from '../src/contract/messages.ts'
import { parseInput } from './lib/failure.ts'
import { withLocks } from './lib/lock.ts'
import { control, dataOn, undoOn } from './lib/options.ts'
import { type Place, wherever } from './lib/places.ts'
import { recorded } from './lib/record.ts'
import { createSaga, type Saga, undoing } from './lib/saga.ts'
import { requireReadable, whenReadable } from './lib/thaw.ts'
import { createView, type View } from './lib/view.ts'

const { resolveSource } = proxyActivities<BackupActivities>(control)

export async function pointInTimeRecovery(given: PitrInput): Promise<RecoveryReport & Ended> {
  const input = parseInput('pointInTimeRecovery', given)
  const { source } = input
  const view = createView({ source, kind: 'pitr' })
  const saga = createSaga((name) => view.step(name, 'undone'))
  view.phase('recover')
  return recorded(
    view,
    { workflow: 'pointInTimeRecovery', source },
    () =>
      whenReadable(view, () =>
        withLocks([`points/${source}`], { work: 'restore', wait: true, what: `point-in-time recovery of ${source}` }, () =>
          undoing(saga, () => recover(input, view, saga)),
        ),
      ),
    ({ warnings = [] }) => (warnings.length > 0 ? 'degraded' : 'success'),
  )
}

type Input = ReturnType<typeof parseInput<'pointInTimeRecovery'>>
type Steps = ActivityInterfaceFor<RecoverActivities & ProofActivities>

async function recover(input: Input, view: View, saga: Saga): Promise<RecoveryReport> {
  const { source, target } = input
  const { host } = await resolveSource({ source, repositoryOnly: true })
  const heavy = proxyActivities<RecoverActivities & ProofActivities>(dataOn(host))
  const undo = proxyActivities<RecoverActivities>(undoOn(host))
  const { workflowId, runId } = workflowInfo()
  const run = async (instance: string, more: object) => {
    saga.undoBy('discardInstance', () => undo.discardInstance({ source, instance }))
    view.step('recoverToPoint', 'running', JSON.stringify(target))
    const recovered = await heavy.recoverToPoint.executeWithOptions({ summary: JSON.stringify(target) }, [
      { ...input, ...more, instance, workflowId, runId },
    ])
    view.step('recoverToPoint', 'done', `stopped at ${stopOf(recovered.stoppedAt)}`)
    return recovered
  }
  const instance = `pitr-${runId.slice(-12)}`
  // Runs of before the copies were asked as well.
  return patched('pitr-places') ? fromPlaces(input, heavy, instance, run) : run(instance, {})
}

/** From the base that was chosen, in the first repository where it is whole. */
async function fromPlaces(
  input: Input,
  heavy: Steps,
  instance: string,
  run: (instance: string, more: object) => Promise<RecoveryReport>,
): Promise<RecoveryReport> {
  const { source, target, repository: named } = input
  const found = await heavy.planRecovery.executeWithOptions({ summary: JSON.stringify(target) }, [
    { source, target, ...(named !== undefined && { repository: named }) },
  ])
  const { repository, instead, archived, ...base } = found
  const first: Place = repository === undefined ? {} : { repository }
  if (archived !== undefined) await requireReadable({ source, id: base.id, ...first, archived }, true)
  let looks = 0
  const { result, place, warnings } = await wherever(
    {
      source,
      id: base.id,
      place: first,
      fixed: named !== undefined,
      // What the next restore has to know, and the next copy run mends.
      damaged: (at) => heavy.proveRestore.executeWithOptions({ summary: `${base.id} read` }, [proofOf(source, base.id, at)]),
    },
    // A name of its own for each: what is frozen in the first takes nothing down that is made from the next.
    (at) => run(`${instance}${looks++ || ''}`, { base, ...at }),
  )
  const said = [...(instead === undefined ? [] : [instead]), ...warnings, ...(result.warnings ?? [])]
  return { ...result, ...place, warnings: said }
}

const proofOf = (source: string, id: string, at: Place) => {
  const { workflowId, runId } = workflowInfo()
  return { source, id, depth: 'read' as const, keep: false, workflowId, runId, ...at }
}

const stopOf = ({ time, lsn, sequence }: RecoveryReport['stoppedAt']) => (sequence === undefined ? (time ?? lsn) : `event ${sequence}`)
