/** stats: the recovery points of a source in numbers, and which of them are alarming. */
import type { Command } from 'commander'
import { loadConfig } from '../../config/load.ts'
import { EXIT } from '../../core/errors.ts'
import type { Action } from '../program.ts'
import { statsLines, statsOf } from '../source-stats.ts'
import { problemLines, surveyAll } from './points.ts'

export function addStatsCommand(program: Command, action: Action): void {
  program
    .command('stats <source>')
    .description('recovery points in numbers: how many of each kind, how large, how old, how many proved')
    .action(
      action(async (context, source: string) => {
        const { points, problems } = await surveyAll(context, source)
        const { sources } = await loadConfig(context.options.config)
        const stats = statsOf(points, sources[source])
        context.output.result({ ...stats, problems }, [...statsLines(source, stats), ...problemLines(problems)])
        return stats.alerts.length + problems.length > 0 ? EXIT.degraded : EXIT.ok
      }),
    )
}
