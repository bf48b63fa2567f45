/** Keep and delete by pure rules: first the report, then exactly what it listed. */
import { isCancellation, proxyActivities } from '@temporalio/workflow'
import type { BackupActivities } from '../activities/backup.ts'
import type { RetentionActivities, RetentionReport } from '../activities/retention.ts'
import type { RetentionInput } from '../src/contract/inputs.ts'
import { parseInput } from './lib/failure.ts'
import { withLocks } from './lib/lock.ts'
import { control, dataOn } from './lib/options.ts'
import { createView } from './lib/view.ts'

const { listSources, planRetention } = proxyActivities<RetentionActivities>(control)
const { resolveSource } = proxyActivities<BackupActivities>(control)

export async function retention(given: RetentionInput): Promise<RetentionReport[]> {
  const input = parseInput('retention', given)
  const view = createView({ ...(input.source && { source: input.source }) })
  try {
    const reports: RetentionReport[] = []
    for (const source of input.source ? [input.source] : await listSources()) {
      view.step(source, 'running')
      const report = await withLocks([`points/${source}`], { work: 'retention', wait: false, what: `retention of ${source}` }, async () => {
        const plan = await planRetention({ source })
        if (input.dryRun || plan.delete.length === 0) return plan
        const { host } = await resolveSource({ source })
        const { deletePoints } = proxyActivities<RetentionActivities>(dataOn(host))
        return deletePoints.executeWithOptions({ summary: `${plan.delete.length} points of ${source}` }, [plan])
      })
      view.step(source, 'done', `${report.delete.length} ${input.dryRun ? 'would go' : 'deleted'}, ${report.keep.length} kept`)
      reports.push(report)
    }
    view.outcome(reports.some((r) => r.locked.length > 0 && r.locked.length === r.delete.length) ? 'degraded' : 'success')
    return reports
  } catch (error) {
    view.outcome(isCancellation(error) ? 'aborted' : 'failed')
    throw error
  }
}
