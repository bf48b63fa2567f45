/** status: what can be restored now, how old it is, who is at work; with --repo-only from the repository alone. */
import type { Command } from 'commander'
import { viewQuery } from '../../contract/messages.ts'
import { seconds } from '../../core/duration.ts'
import { EXIT } from '../../core/errors.ts'
import type { PointSummary } from '../../core/records.ts'
import { withClient, withServices } from '../context.ts'
import { columns } from '../output.ts'
import type { Action } from '../program.ts'
import { progressLine } from '../runs.ts'
import { allPoints } from './points.ts'

export interface SourceStatus { source: string; points: number; newest?: string; ageHours?: number; newestGood?: string; fresh: boolean | undefined; window?: unknown }

export function addStatusCommands(program: Command, action: Action): void {
  program.command('status').description('what can be restored now, and who is at work')
    .option('--run <id>', 'one run: its phase, steps, and what awaits an operator').option('--repo-only', 'from the repository alone, with Temporal down', false).option('--window', 'the recoverable window of physical sources, with its gaps', false)
    .action(action(async (context, o: { run?: string; repoOnly: boolean; window: boolean }) => {
      const { run } = o
      if (run !== undefined) {
        return withClient(context, async (client) => {
          const handle = client.workflow.getHandle(run)
          const [view, described] = [await handle.query(viewQuery), await handle.describe()]
          context.output.result({ status: described.status.name, ...view }, [`${run}: ${described.status.name}`, progressLine(view), ...view.steps.map((s) => `  ${s.status.padEnd(8)} ${s.name} ${s.detail ?? ''}`), ...view.log.map((l) => `  ${l.at} ${l.actor}: ${l.action} (${l.reason})${l.refused ? ` REFUSED: ${l.refused}` : ''}`)])
          return EXIT.ok
        })
      }
      const points = await allPoints(context)
      return withServices(context, async (services, config) => {
        const statuses: SourceStatus[] = []
        for (const [source, { freshness }] of Object.entries(config.sources)) {
          const status = statusOf(source, points, freshness)
          const driver = o.window ? await services.driver(source) : undefined
          if (driver?.window) status.window = await driver.window()
          statuses.push(status)
        }
        const running = o.repoOnly ? [] : await withClient(context, async (client) => {
          const found: { workflowId: string; type: string; since: string }[] = []
          for await (const one of client.workflow.list({ query: "ExecutionStatus = 'Running'" })) if (one.type !== 'resourceLock') found.push({ workflowId: one.workflowId, type: one.type, since: one.startTime.toISOString() })
          return found
        })
        context.output.result({ sources: statuses, running }, [
          ...columns([['source', 'points', 'newest', 'age', 'newest good', 'fresh'], ...statuses.map((s) => [s.source, String(s.points), s.newest ?? '-', s.ageHours === undefined ? '-' : `${s.ageHours.toFixed(1)} h`, s.newestGood ?? 'NONE', s.fresh === undefined ? '-' : s.fresh ? 'yes' : 'STALE'])]),
          ...statuses.flatMap((s) => (s.window ? [`window of ${s.source}: ${JSON.stringify(s.window)}`] : [])), ...running.map((r) => `running ${r.type} ${r.workflowId} since ${r.since}`),
        ])
        return statuses.some((s) => s.fresh === false || !s.newestGood) ? EXIT.degraded : EXIT.ok
      })
    }))
}

function statusOf(source: string, all: PointSummary[], freshness: string | undefined): SourceStatus {
  const points = all.filter((point) => point.source === source).sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1))
  const newest = points[0]
  const good = points.find((point) => point.good)
  const age = newest && (Date.now() - Date.parse(newest.createdAt)) / 1000
  return {
    source, points: points.length, ...(newest && { newest: newest.id }), ...(age !== undefined && { ageHours: age / 3600 }), ...(good && { newestGood: good.id }),
    fresh: freshness === undefined ? undefined : age !== undefined && age <= seconds(freshness),
  }
}
