/** rotate-keys and check-keys: for whom what is stored can be read. */
import type { Command } from 'commander'
import type { CommandContext } from '../context.ts'
import type { Action } from '../program.ts'
import { runWorkflow } from '../runs.ts'

interface Rotated {
  sources: {
    source: string
    recipients: string[]
    points: number
    rotated: number
    former: Record<string, number>
  }[]
}
interface Checked {
  sources: { source: string; point?: string; part?: string; looked?: 'whole' | 'beginning' }[]
}

export function addKeyCommands(program: Command, action: Action): void {
  program
    .command('rotate-keys [source]')
    .description('make the points of one source, or of all, readable for the recipients that are configured now; no data is moved')
    .option('--dry-run', 'say how many points are not, and change nothing', false)
    .option('--detach', 'do not wait: print the id of the run', false)
    .action(action(rotate))
  program
    .command('check-keys [source]')
    .description('open the oldest point of one source, or of all, by a worker that has an identity; fails where one does not open')
    .action(
      action(async (context, source: string | undefined) => {
        const { result } = await runWorkflow<Checked>(context, 'checkKeys', { source })
        context.output.result(result, result?.sources.map(checkedLine) ?? [])
      }),
    )
}

async function rotate(
  context: CommandContext,
  source: string | undefined,
  { dryRun, detach }: { dryRun: boolean; detach: boolean },
): Promise<void> {
  const { workflowId, result } = await runWorkflow<Rotated>(context, 'rotateKeys', { source, dryRun }, { detach })
  context.output.result(result ?? { workflowId }, result ? rotatedLines(result, dryRun) : [workflowId])
}

function rotatedLines({ sources }: Rotated, dryRun: boolean): string[] {
  return sources.flatMap(({ source, recipients, points, rotated, former }) => [
    `${source}: ${rotated} of ${points} points ${dryRun ? 'would be made' : 'made'} readable for ${recipients.join(', ')}`,
    ...Object.entries(former).map(
      ([one, count]) => `  ${one} is no recipient any more and still opens ${count} of them, until they are deleted`,
    ),
  ])
}

function checkedLine({ source, point, part, looked }: Checked['sources'][number]): string {
  if (point === undefined) return `${source}: no point has anything encrypted`
  return `${source}: ${point} opens (${part}, ${looked === 'whole' ? 'read whole' : 'its beginning'})`
}
