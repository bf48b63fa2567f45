/** Of the logs that engines ship themselves what retention takes away, archive by archive. */
import type { proxyActivities } from '@temporalio/workflow'
import type { RetentionActivities, RetentionReport } from '../../activities/retention.ts'

type Activities = ReturnType<typeof proxyActivities<RetentionActivities>>

/** What goes is looked for first, and written down as it was found, however often its going is tried. */
export async function pruneLogs(
  { planLog, removeLog }: Pick<Activities, 'planLog' | 'removeLog'>,
  keepLogs: NonNullable<RetentionReport['keepLogs']>,
  { source, place, leaving, dryRun }: { source: string; place: string | undefined; leaving: string[]; dryRun: boolean },
  remember: (report: object) => Promise<void>,
): Promise<NonNullable<RetentionReport['logs']>> {
  const logs: NonNullable<RetentionReport['logs']> = []
  for (const { archive, keep } of keepLogs) {
    const request = { source, ...(place !== undefined && { repository: place }), archive, keep }
    let log = await planLog.executeWithOptions({ summary: `log ${archive} of before the last ${keep}` }, [{ ...request, leaving }])
    if (!dryRun && log.last !== undefined) {
      const { last } = log
      log = {
        ...log,
        ...(await removeLog.executeWithOptions({ summary: `${log.segments} segments of ${archive}` }, [{ ...request, last }])),
      }
      await remember({ source, ...(place !== undefined && { repository: place }), log })
    }
    logs.push(log)
  }
  return logs
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
