/** A recovery point proved: restored into a quarantined scratch instance, compared, recorded, destroyed. A failed proof fails the run. */
import { patched, proxyActivities, workflowInfo } from '@temporalio/workflow'
import type { BackupActivities } from '../activities/backup.ts'
import type { ProofActivities, ProofResult } from '../activities/proof.ts'
import type { ProofDepth } from '../src/core/records.ts'
import type { VerifyRestoreInput } from '../src/contract/inputs.ts'
import type { Ended } from '../src/contract/messages.ts'
import { failure, parseInput, rootFailure } from './lib/failure.ts'
import { withLocks } from './lib/lock.ts'
import { control, dataOn } from './lib/options.ts'
import { recorded } from './lib/record.ts'
import { type Place, type Whereabouts, wherever } from './lib/places.ts'
import { type ArchivedPoint, requireReadable, whenReadable } from './lib/thaw.ts'
import { createView, type View } from './lib/view.ts'

const { resolveSource } = proxyActivities<BackupActivities>(control)
const { resolvePoint } = proxyActivities<ProofActivities>(control)

export async function verifyRestore(given: VerifyRestoreInput): Promise<ProofResult & Ended> {
  const input = parseInput('verifyRestore', given)
  const view = createView({ source: input.source, kind: input.depth })
  const { source } = input
  view.phase('proof')
  return recorded(
    view,
    { workflow: 'verifyRestore', source },
    async () => {
      const lock = { work: 'verify', wait: true, what: `proof of ${source}` } as const
      const result = await whenReadable(view, (pinned) => withLocks([`points/${source}`], lock, () => prove(input, view, pinned)))
      if (!result.ok)
        throw failure('VERIFY_FAILED', `${source} ${result.id} is not proved: ${result.failures.join('; ')}`, {
          object: result.id,
          details: { proof: result },
        })
      return result
    },
    ({ warnings }) => (warnings === undefined ? 'success' : 'degraded'),
  )
}

type Input = ReturnType<typeof parseInput<'verifyRestore'>>

async function prove(input: Input, view: View, pinned?: ArchivedPoint): Promise<ProofResult> {
  const { source, depth, keep, thaw } = input
  const recoveryPoint = pinned?.id ?? input.recoveryPoint
  const named: Place = input.repository === undefined ? {} : { repository: input.repository }
  // The store is asked only; else what a schedule proves is what can be read as it is.
  const reads = depth !== 'list'
  const { id, repository, instead, archived } = await resolvePoint({
    source,
    recoveryPoint,
    ...named,
    ...(reads && !thaw && { readable: true }),
  })
  if (archived !== undefined && reads)
    await requireReadable({ source, id, ...(repository !== undefined && { repository }), archived }, thaw)
  const { host } = await resolveSource({ source, repositoryOnly: true })
  view.step('proveRestore', 'running', id)
  const { proveRestore } = proxyActivities<ProofActivities>(dataOn(host))
  const { workflowId, runId } = workflowInfo()
  const look = (place: Place, to: ProofDepth) =>
    proveRestore.executeWithOptions({ summary: `${id} ${to}` }, [{ source, id, depth: to, keep, workflowId, runId, ...place }])
  const at: Whereabouts = { source, id, place: repository === undefined ? {} : { repository }, fixed: input.repository !== undefined }
  const { result, place, warnings } = await wherever(at, (there) => deepLook((to) => look(there, to), depth), damage)
  view.step('proveRestore', result.ok ? 'done' : 'failed', `${result.passed} of ${result.assertions} assertions`)
  const said = [...(instead === undefined ? [] : [instead]), ...warnings]
  return { ...result, ...place, ...(said.length > 0 && { warnings: said }) }
}

/** A restore that stumbled over the objects leaves no proof: one of depth read says which of them, and stands where they are. */
async function deepLook(look: (depth: ProofDepth) => Promise<ProofResult>, depth: ProofDepth): Promise<ProofResult> {
  try {
    return await look(depth)
  } catch (error) {
    if (!isDeep(depth) || rootFailure(error).code !== 'INTEGRITY' || !patched('copies')) throw error
    await look('read')
    throw error
  }
}

const isDeep = (depth: ProofDepth): boolean => depth === 'restore' || depth === 'full'

/** A restore that was not right is the point's own fault: its copies are no better. */
const damage = ({ ok, depth, failures }: ProofResult): string | undefined => (ok || isDeep(depth) ? undefined : failures.join('; '))
