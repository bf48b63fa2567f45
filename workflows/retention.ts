/** Keep and delete by pure rules: first the report, then exactly what it listed. */
import { isCancellation, proxyActivities } from '@temporalio/workflow'
import type { BackupActivities } from '../activities/backup.ts'
import type { RetentionActivities, RetentionReport } from '../activities/retention.ts'
import type { RetentionInput } from '../src/contract/inputs.ts'
import { fellShort } from '../src/core/retention.ts'
import { failure, parseInput, rootFailure } from './lib/failure.ts'
import { withLocks } from './lib/lock.ts'
import { logsOf, type Pruning, pruneLogs } from './lib/logs.ts'
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
        const more = [movesOf(report), walOf(report, input.dryRun), logsOf(report, input.dryRun)].join('')
        view.step(source, 'done', `${gone}, ${report.keep.length} kept${stayed}${more}`)
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
    if (!hasWork(plan, dryRun)) return plan
    const { host } = await resolveSource({ source, repositoryOnly: true })
    const remember = async (report: object) => {
      const missing = await record(view, { workflow: 'retention', source }, 'success', report)
      if (missing !== undefined)
        throw failure('STORE_UNREACHABLE', `${source}: what was deleted is not in the record: ${missing}`, { object: source })
    }
    const at = { source, ...(plan.repository !== undefined && { repository: plan.repository }) }
    const pruning: Pruning = { at, dryRun, plan, activities: proxyActivities<RetentionActivities>(dataOn(host)), remember }
    const report = await deletePlanned(pruning)
    const moved = await movePlanned(pruning)
    const snapshots = await expireSnapshots(pruning)
    // After the points: what these needed of the archive goes as well; what stayed after all still needs it.
    const stayed = [...report.locked, ...report.held, ...(report.needed ?? []).map(({ id }) => id)]
    const leaving = plan.delete.map(({ id }) => id).filter((id) => !stayed.includes(id))
    const logs = await pruneLogs(pruning, dryRun ? leaving : [])
    return { ...report, ...moved, ...snapshots, ...logs, ...(await expireArchive(pruning, leaving)) }
  })
}

function hasWork({ pitrWindow, keepSnapshots, keepLogs = [], move = [], delete: gone }: RetentionReport, dryRun: boolean): boolean {
  return pitrWindow !== undefined || keepSnapshots !== undefined || keepLogs.length > 0 || (!dryRun && gone.length + move.length > 0)
}

async function deletePlanned({ at: { source }, dryRun, plan, activities, remember }: Pruning): Promise<RetentionReport> {
  if (dryRun || plan.delete.length === 0) return plan
  const report = await activities.deletePoints.executeWithOptions({ summary: `${plan.delete.length} points of ${source}` }, [plan])
  await remember(report)
  return report
}

async function movePlanned({ at, dryRun, plan: { move = [] }, activities, remember }: Pruning): Promise<Pick<RetentionReport, 'moved'>> {
  if (dryRun || move.length === 0) return {}
  const summary = `${move.length} points of ${at.source} into other storage classes`
  const moved = await activities.movePoints.executeWithOptions({ summary }, [{ ...at, move }])
  if (moved.objects > 0) await remember({ ...at, move, moved })
  return { moved }
}

async function expireSnapshots(pruning: Pruning): Promise<Pick<RetentionReport, 'snapshots'>> {
  const { at, dryRun, plan, activities, remember } = pruning
  const { source } = at
  const { keepSnapshots: keep } = plan
  if (keep === undefined) return {}
  const summary = `snapshots on the nodes of ${source}, older than ${keep}`
  const snapshots = await activities.expireSnapshots.executeWithOptions({ summary }, [{ source, keep, dryRun }])
  if (!dryRun && snapshots.removed > 0) await remember({ source, snapshots })
  return { snapshots }
}

async function expireArchive(pruning: Pruning, leaving: string[]): Promise<Pick<RetentionReport, 'archive'>> {
  const { at, dryRun, plan, activities, remember } = pruning
  const { source } = at
  if (plan.pitrWindow === undefined) return {}
  const summary = `WAL of ${source} before the last ${plan.pitrWindow}`
  const archive = await activities.expireArchive.executeWithOptions({ summary }, [{ source, leaving, dryRun }])
  if (!dryRun && archive.segments > 0) await remember({ source, archive })
  return { archive }
}
