/** A recovery point proved: restored into a quarantined scratch instance, compared, recorded, destroyed. A failed proof fails the run. */
import { proxyActivities, workflowInfo } from '@temporalio/workflow'
import type { BackupActivities } from '../activities/backup.ts'
import type { ProofActivities, ProofResult } from '../activities/proof.ts'
import type { VerifyRestoreInput } from '../src/contract/inputs.ts'
import type { Ended } from '../src/contract/messages.ts'
import { failure, parseInput } from './lib/failure.ts'
import { withLocks } from './lib/lock.ts'
import { control, dataOn } from './lib/options.ts'
import { recorded } from './lib/record.ts'
import { createView } from './lib/view.ts'

const { resolveSource } = proxyActivities<BackupActivities>(control)
const { resolvePoint } = proxyActivities<ProofActivities>(control)

export async function verifyRestore(given: VerifyRestoreInput): Promise<ProofResult & Ended> {
  const input = parseInput('verifyRestore', given)
  const view = createView({ source: input.source, kind: input.depth })
  const { source, depth, keep } = input
  view.phase('proof')
  return recorded(view, { workflow: 'verifyRestore', source }, async () => {
    const result = await withLocks([`points/${source}`], { work: 'verify', wait: true, what: `proof of ${source}` }, async () => {
      const { id } = await resolvePoint({ source, recoveryPoint: input.recoveryPoint })
      const { host } = await resolveSource({ source, repositoryOnly: true })
      view.step('proveRestore', 'running', id)
      const { proveRestore } = proxyActivities<ProofActivities>(dataOn(host))
      const { workflowId, runId } = workflowInfo()
      const proof = await proveRestore.executeWithOptions({ summary: `${id} ${depth}` }, [{ source, id, depth, keep, workflowId, runId }])
      view.step('proveRestore', proof.ok ? 'done' : 'failed', `${proof.passed} of ${proof.assertions} assertions`)
      return proof
    })
    if (!result.ok)
      throw failure('VERIFY_FAILED', `${source} ${result.id} is not proved: ${result.failures.join('; ')}`, {
        object: result.id,
        details: { proof: result },
      })
    return result
  })
}
