/** Single recovery points: delete one, hold one; and the segment switch that bounds what an idle archive can lose. */
import { proxyActivities } from '@temporalio/workflow'
import type { BackupActivities } from '../activities/backup.ts'
import type { RetentionActivities, RetentionReport } from '../activities/retention.ts'
import type { DeleteInput } from '../src/contract/inputs.ts'
import type { Ended } from '../src/contract/messages.ts'
import { failure, parseInput } from './lib/failure.ts'
import { withLocks } from './lib/lock.ts'
import { control, dataOn } from './lib/options.ts'
import { recorded } from './lib/record.ts'
import { createView, reporting } from './lib/view.ts'

const { resolveSource } = proxyActivities<BackupActivities>(control)
const light = proxyActivities<RetentionActivities>(control)

export async function deleteRecoveryPoint(given: DeleteInput): Promise<RetentionReport & Ended> {
  const { source, recoveryPoint, repository, confirm, requestedBy } = parseInput('deleteRecoveryPoint', given)
  const place = repository === undefined ? {} : { repository }
  const view = createView({ source, kind: 'delete' })
  return recorded(
    view,
    { workflow: 'deleteRecoveryPoint', source, requestedBy },
    async () => {
      if (confirm !== recoveryPoint)
        throw failure('CONFIRM_MISMATCH', `confirm is "${confirm}", the point is "${recoveryPoint}"`, {
          object: recoveryPoint,
          next: `repeat with "confirm": "${recoveryPoint}"`,
        })
      return withLocks([`points/${source}`], { work: 'retention', wait: false, what: `delete ${recoveryPoint}` }, async () => {
        const { label } = await light.mayDelete({ source, id: recoveryPoint, ...place })
        const { host } = await resolveSource({ source, repositoryOnly: true })
        return proxyActivities<RetentionActivities>(dataOn(host)).deletePoints.executeWithOptions({ summary: recoveryPoint }, [
          {
            source,
            ...place,
            keep: [],
            delete: [{ id: recoveryPoint, reason: `asked for by ${requestedBy}`, ...(label !== undefined && { label }) }],
            locked: [],
            held: [],
          },
        ])
      })
    },
    leftOutcome,
  )
}

/** Locked, held or needed since it was looked at: then it is still there. */
const leftOutcome = ({ locked, held, needed }: RetentionReport) => (locked.length + held.length > 0 || needed ? 'degraded' : 'success')

export async function holdRecoveryPoint(given: unknown): Promise<{ source: string; recoveryPoint: string; held: boolean }> {
  const { source, recoveryPoint, repository, held, actor, reason } = parseInput('holdRecoveryPoint', given)
  const place = repository === undefined ? {} : { repository }
  const view = createView({ source, kind: 'hold' })
  return reporting(view, async () => {
    await withLocks([`points/${source}`], { work: 'verify', wait: true, what: `hold ${recoveryPoint}` }, () =>
      light.holdPoint({ source, id: recoveryPoint, ...place, held, actor, reason, at: new Date(Date.now()).toISOString() }),
    )
    view.outcome('success')
    return { source, recoveryPoint, held }
  })
}

export async function walSwitch(given: { source: string }): Promise<{ segment: string }> {
  const { source } = parseInput('walSwitch', given)
  const view = createView({ source, kind: 'wal-switch' })
  return reporting(view, async () => {
    const { host } = await resolveSource({ source })
    const result = await proxyActivities<BackupActivities>(dataOn(host)).switchWal({ source })
    view.outcome('success')
    return result
  })
}
