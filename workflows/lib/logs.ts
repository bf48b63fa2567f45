/** Of the logs that engines ship themselves what retention takes away, archive by archive. */
import type { ActivityInterfaceFor } from '@temporalio/workflow'
import type { RetentionActivities, RetentionReport } from '../../activities/retention.ts'
import type { LogPlan } from '../../src/core/log-expiry.ts'

/** What goes of one source: kind by kind, each remembered before the next is begun. */
export interface Pruning {
  /** With a repository: the copies there. */
  at: { source: string; repository?: string }
  dryRun: boolean
  plan: RetentionReport
  activities: ActivityInterfaceFor<RetentionActivities>
  remember(report: object): Promise<void>
}

/** What goes is looked for first, and written down as it was found, however often its going is tried. */
export async function pruneLogs(
  { at, dryRun, plan, activities, remember }: Pruning,
  leaving: string[],
): Promise<Pick<RetentionReport, 'logs'>> {
  const { keepLogs = [] } = plan
  const logs: LogPlan[] = []
  for (const { archive, keep } of keepLogs) {
    const request = { ...at, archive, keep }
    const summary = `log ${archive} of before the last ${keep}`
    let log = await activities.planLog.executeWithOptions({ summary }, [{ ...request, leaving }])
    if (!dryRun && log.last !== undefined) {
      const { segments, last } = log
      const left = await activities.removeLog.executeWithOptions({ summary: `${segments} segments of ${archive}` }, [{ ...request, last }])
      log = { ...log, ...left }
      await remember({ ...at, log })
    }
    logs.push(log)
  }
  return keepLogs.length > 0 ? { logs } : {}
}

/** For whoever looks at the run. */
export function logsOf({ logs = [] }: RetentionReport, dryRun: boolean): string {
  return logs
    .map(({ archive, segments, left, locked }) => {
      if (left !== undefined) return `; none of ${archive}: ${left}`
      if (locked !== undefined) return `; of ${archive} only what is before ${locked}, which is locked`
      return `; ${segments} segments of ${archive} ${dryRun ? 'would go' : 'deleted'}`
    })
    .join('')
}
