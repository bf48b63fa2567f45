/** Keep and delete by pure rules: first the report, then exactly what it listed. */
import { isCancellation, proxyActivities } from '@temporalio/workflow'
import type { BackupActivities } from '../activities/backup.ts'
import type { RetentionActivities, RetentionReport } from '../activities/retention.ts'
import type { RetentionInput } from '../src/contract/inputs.ts'
import { fellShort } from '../src/core/retention.ts'
import { failure, parseInput, rootFailure } from './lib/failure.ts'
import { withLocks } from './lib/lock.ts'
import { logsOf, pruneLogs } from './lib/logs.ts'
import { control, dataOn } from './lib/options.ts'
import { record } from './lib/record.ts'
import { createView, reporting, type View } from './lib/view.ts'

const { listSources, planRetention } = proxyActivities<RetentionActivities>(control)
const { resolveSource } = proxyActivities<BackupActivities>(control)

export async function retention(given: RetentionInput): Promise<RetentionReport[]> {
  const input = parseInput('retention', given)
  const view = createView({ ...(input.source && { source: input.source }) })
  return reporting(view, async () => {
    const reports: RetentionReport[] = []
    const failures: unknown[] = []
    for (const source of input.source ? [input.source] : await listSources()) {
      view.step(source, 'running')
      try {
        const report = await prune(view, source, input)
        const left = report.locked.length + report.held.length + (report.needed?.length ?? 0)
        const gone = `${report.delete.length - left} ${input.dryRun ? 'would go' : 'deleted'}`
        const stayed = left > 0 ? `, ${left} locked, held or needed` : ''
        view.step(
          source,
          'done',
          `${gone}, ${report.keep.length} kept${stayed}${movesOf(report)}${walOf(report, input.dryRun)}${logsOf(report, input.dryRun)}`,
        )
        reports.push(report)
      } catch (error) {
        view.step(source, 'failed', rootFailure(error).message)
        if (isCancellation(error)) throw error
        failures.push(error)
      }
    }
    // One source that is busy or broken keeps no other from being looked at; the run fails all the same.
    if (failures.length > 0) throw failures[0]
    view.outcome(reports.some(fellShort) ? 'degraded' : 'success')
    return reports
  })
}

function movesOf({ move = [], moved }: RetentionReport): string {
  if (move.length === 0) return ''
  const locked = moved && moved.locked > 0 ? `, ${moved.locked} objects still locked` : ''
  const unlike = moved?.unlike ? `, ${moved.unlike.objects} objects left: ${moved.unlike.first}` : ''
  return `; ${move.length} ${moved ? `moved (${moved.objects} objects)` : 'would move'} to another storage class${locked}${unlike}`
}

function walOf({ archive }: RetentionReport, dryRun: boolean): string {
  if (!archive) return ''
  if (archive.left !== undefined) return `; no WAL: ${archive.left}`
  return `; ${archive.segments} WAL segments ${dryRun ? 'would go' : 'deleted'}`
}

function prune(view: View, source: string, { repository, dryRun }: RetentionInput): Promise<RetentionReport> {
  return withLocks([`points/${source}`], { work: 'retention', wait: false, what: `retention of ${source}` }, async () => {
    const plan = await planRetention({ source, ...(repository !== undefined && { repository }) })
    const archived = plan.pitrWindow !== undefined
    const keep = plan.keepSnapshots
    const moves = dryRun ? [] : (plan.move ?? [])
    const { keepLogs = [] } = plan
    if (!archived && keep === undefined && keepLogs.length === 0 && (dryRun || plan.delete.length === 0) && moves.length === 0) return plan
    const { host } = await resolveSource({ source, repositoryOnly: true })
    const activities = proxyActivities<RetentionActivities>(dataOn(host))
    const { deletePoints, movePoints, expireArchive, expireSnapshots } = activities
    const remember = async (report: object) => {
      const missing = await record(view, { workflow: 'retention', source }, 'success', report)
      if (missing !== undefined)
        throw failure('STORE_UNREACHABLE', `${source}: what was deleted is not in the record: ${missing}`, { object: source })
    }
    let report = plan
    if (!dryRun && plan.delete.length > 0) {
      report = await deletePoints.executeWithOptions({ summary: `${plan.delete.length} points of ${source}` }, [plan])
      await remember(report)
    }
    if (moves.length > 0) {
      const { repository: place } = plan
      const moved = await movePoints.executeWithOptions({ summary: `${moves.length} points of ${source} into other storage classes` }, [
        { source, ...(place !== undefined && { repository: place }), move: moves },
      ])
      if (moved.objects > 0) await remember({ source, ...(place !== undefined && { repository: place }), move: moves, moved })
      report = { ...report, moved }
    }
    if (keep !== undefined) {
      const snapshots = await expireSnapshots.executeWithOptions({ summary: `snapshots on the nodes of ${source}, older than ${keep}` }, [
        { source, keep, dryRun },
      ])
      if (!dryRun && snapshots.removed > 0) await remember({ source, snapshots })
      report = { ...report, snapshots }
    }
    // After the points: what these needed of the archive goes as well; what stayed after all still needs it.
    const stayed = [...report.locked, ...report.held, ...(report.needed ?? []).map(({ id }) => id)]
    const leaving = plan.delete.map(({ id }) => id).filter((id) => !stayed.includes(id))
    if (keepLogs.length > 0)
      report = {
        ...report,
        logs: await pruneLogs(activities, keepLogs, { source, place: plan.repository, leaving: dryRun ? leaving : [], dryRun }, remember),
      }
    if (!archived) return report
    const archive = await expireArchive.executeWithOptions({ summary: `WAL of ${source} before the last ${plan.pitrWindow}` }, [
      { source, leaving, dryRun },
    ])
    if (!dryRun && archive.segments > 0) await remember({ source, archive })
    return { ...report, archive }
  })
}
