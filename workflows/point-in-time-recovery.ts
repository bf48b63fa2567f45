/** A database as it was at one moment, beside the live one, with proof of where replay stopped and the commands to copy from it. */
import { proxyActivities, workflowInfo } from '@temporalio/workflow'
import type { BackupActivities } from '../activities/backup.ts'
import type { RecoverActivities, RecoveryReport } from '../activities/recover.ts'
import type { PitrInput } from '../src/contract/inputs.ts'
import type { Ended } from '../src/contract/messages.ts'
import { parseInput } from './lib/failure.ts'
import { withLocks } from './lib/lock.ts'
import { control, dataOn, undoOn } from './lib/options.ts'
import { recorded } from './lib/record.ts'
import { createSaga, type Saga, undoing } from './lib/saga.ts'
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
      withLocks([`points/${source}`], { work: 'restore', wait: true, what: `point-in-time recovery of ${source}` }, () =>
        undoing(saga, () => recover(input, view, saga)),
      ),
    ({ warnings = [] }) => (warnings.length > 0 ? 'degraded' : 'success'),
  )
}

async function recover(input: ReturnType<typeof parseInput<'pointInTimeRecovery'>>, view: View, saga: Saga): Promise<RecoveryReport> {
  const { source, target } = input
  const { host } = await resolveSource({ source, repositoryOnly: true })
  const { workflowId, runId } = workflowInfo()
  const instance = `pitr-${runId.slice(-12)}`
  const { recoverToPoint } = proxyActivities<RecoverActivities>(dataOn(host))
  saga.undoBy('discardInstance', () => proxyActivities<RecoverActivities>(undoOn(host)).discardInstance({ source, instance }))
  view.step('recoverToPoint', 'running', JSON.stringify(target))
  const recovered = await recoverToPoint.executeWithOptions({ summary: JSON.stringify(target) }, [
    { ...input, instance, workflowId, runId },
  ])
  view.step('recoverToPoint', 'done', `stopped at ${stopOf(recovered.stoppedAt)}`)
  return recovered
}

const stopOf = ({ time, lsn, sequence }: RecoveryReport['stoppedAt']) => (sequence === undefined ? (time ?? lsn) : `event ${sequence}`)
