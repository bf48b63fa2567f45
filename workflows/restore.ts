/** A recovery point brought back: verified first, a safety backup of what it replaces, restored aside, asserted, swapped in one transaction. */
import { executeChild, isCancellation, proxyActivities, workflowInfo } from '@temporalio/workflow'
import type { BackupActivities } from '../activities/backup.ts'
import type { EvidenceActivities } from '../activities/evidence.ts'
import type { ProofActivities } from '../activities/proof.ts'
import type { RestoreActivities, RestoreReport } from '../activities/restore.ts'
import type { RestoreInput } from '../src/contract/inputs.ts'
import type { BackupResult } from './backup.ts'
import { failure, parseInput } from './lib/failure.ts'
import { withLocks } from './lib/lock.ts'
import { compensation, control, dataOn } from './lib/options.ts'
import { createSaga } from './lib/saga.ts'
import { createView } from './lib/view.ts'

const { resolveSource } = proxyActivities<BackupActivities>(control)
const { resolvePoint } = proxyActivities<ProofActivities>(control)
const { writeEvidence } = proxyActivities<EvidenceActivities>(control)

export async function restore(given: RestoreInput): Promise<RestoreReport> {
  const input = parseInput('restore', given)
  const { source } = input
  const view = createView({ source, kind: `restore ${input.target}` })
  const saga = createSaga((name) => view.step(name, 'undone'))
  try {
    const report = await withLocks([`points/${source}`], { work: 'restore', wait: true, what: `restore of ${source}` }, async () => {
      const { host } = await resolveSource({ source })
      const heavy = proxyActivities<RestoreActivities & ProofActivities>(dataOn(host))
      const { id } = await resolvePoint({ source, recoveryPoint: input.recoveryPoint })
      const { workflowId, runId } = workflowInfo()
      view.phase('check')
      const ready = await heavy.checkRestore.executeWithOptions({ summary: id }, [
        { source, id, target: input.target, ...(input.confirm !== undefined && { confirm: input.confirm }) },
      ])
      view.phase('verify')
      const proof = await heavy.proveRestore.executeWithOptions({ summary: `${id} read` }, [
        { source, id, depth: 'read', keep: false, workflowId, runId },
      ])
      if (!proof.ok) throw failure('INTEGRITY', `${id} cannot be restored: ${proof.failures.join('; ')}`, { object: id })
      let safety: string | undefined
      if (input.target === 'live') {
        view.phase('safety backup')
        safety = (
          await executeChild<(i: unknown) => Promise<BackupResult>>('backup', {
            workflowId: `${workflowId}/safety`,
            args: [{ source, kind: 'pre_restore', description: `before the restore of ${id} by ${input.requestedBy}` }],
          })
        ).id
      }
      view.phase('restore')
      const instance = `restore-${runId}`
      if (input.target === 'live')
        saga.undoBy('removeAside', () =>
          proxyActivities<RestoreActivities>({ ...compensation, ...dataOn(host), retry: compensation.retry }).removeAside({
            source,
            id,
            instance,
          }),
        )
      const restored = await heavy.restoreAside.executeWithOptions({ summary: `${id} ${input.target}` }, [
        { source, id, instance, target: input.target },
      ])
      if (input.target === 'beside') return restored
      view.phase('swap')
      const swapped = await heavy.swapIn.executeWithOptions({ summary: ready.fingerprint }, [
        { source, id, instance, confirm: input.confirm ?? '' },
      ])
      return { ...restored, ...swapped, ...(safety !== undefined && { safetyBackup: safety }) }
    })
    await writeEvidence({ source, workflow: 'restore', outcome: 'success', report: { ...report, requestedBy: input.requestedBy } })
    view.outcome('success')
    return report
  } catch (error) {
    await saga.compensate()
    view.outcome(isCancellation(error) ? 'aborted' : 'failed')
    throw error
  }
}
