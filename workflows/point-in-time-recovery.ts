/** A database as it was at one moment, beside the live one, with proof of where replay stopped and the commands to copy from it. */
import { isCancellation, proxyActivities, workflowInfo } from '@temporalio/workflow'
import type { BackupActivities } from '../activities/backup.ts'
import type { EvidenceActivities } from '../activities/evidence.ts'
import type { RecoverActivities, RecoveryReport } from '../activities/recover.ts'
import type { PitrInput } from '../src/contract/inputs.ts'
import { parseInput } from './lib/failure.ts'
import { withLocks } from './lib/lock.ts'
import { control, dataOn } from './lib/options.ts'
import { createView } from './lib/view.ts'

const { resolveSource } = proxyActivities<BackupActivities>(control)
const { writeEvidence } = proxyActivities<EvidenceActivities>(control)

export async function pointInTimeRecovery(given: PitrInput): Promise<RecoveryReport> {
  const input = parseInput('pointInTimeRecovery', given)
  const { source } = input
  const view = createView({ source, kind: 'pitr' })
  view.phase('recover')
  try {
    const report = await withLocks(
      [`points/${source}`],
      { work: 'restore', wait: true, what: `point-in-time recovery of ${source}` },
      async () => {
        const { host } = await resolveSource({ source })
        const { recoverToPoint } = proxyActivities<RecoverActivities>(dataOn(host))
        view.step('recoverToPoint', 'running', JSON.stringify(input.target))
        const { workflowId, runId } = workflowInfo()
        const recovered = await recoverToPoint.executeWithOptions({ summary: JSON.stringify(input.target) }, [
          { ...input, instance: `pitr-${runId}`, workflowId, runId },
        ])
        view.step('recoverToPoint', 'done', `stopped at ${recovered.stoppedAt.time ?? recovered.stoppedAt.lsn}`)
        return recovered
      },
    )
    await writeEvidence({ source, workflow: 'pointInTimeRecovery', outcome: 'success', report })
    view.outcome('success')
    return report
  } catch (error) {
    view.outcome(isCancellation(error) ? 'aborted' : 'failed')
    throw error
  }
}
