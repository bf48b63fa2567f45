/** adopt: backups from before Holdfast, taken over as recovery points. */
import type { Command } from 'commander'
import { byOption, type CommandContext } from '../context.ts'
import { bytes } from '../output.ts'
import type { Action } from '../program.ts'
import { runWorkflow } from '../runs.ts'

interface AdoptDone {
  source: string
  dryRun: boolean
  adopted: { id?: string; from: string; kind: string; createdAt: string; sizeBytes: number; warnings: string[] }[]
  already: number
  more: number
  left: { from: string; why: string; broken: boolean }[]
  leftCount: number
}
interface AdoptOptions {
  dryRun: boolean
  by: string
  detach: boolean
}

export function addAdoptCommand(program: Command, action: Action): void {
  program
    .command('adopt <source> [from...]')
    .description(
      'take over backups from before Holdfast: dumps of pg_dump, folders with a metadata.json, backups of a pgBackRest stanza; nothing is removed where they are',
    )
    .option('--dry-run', 'show what would be adopted', false)
    .addOption(byOption('who asks'))
    .option('--detach', 'do not wait: print the id of the run', false)
    .action(action(adopt))
}

async function adopt(context: CommandContext, source: string, from: string[], { dryRun, by, detach }: AdoptOptions): Promise<void> {
  const { workflowId, result } = await runWorkflow<AdoptDone>(context, 'adopt', { source, from, dryRun, requestedBy: by }, { detach })
  context.output.result(result ?? { workflowId }, result ? doneLines(result) : [workflowId])
}

function doneLines({ source, dryRun, adopted, already, more, left, leftCount }: AdoptDone): string[] {
  return [
    `${source}: ${adopted.length} ${dryRun ? 'would be adopted' : 'adopted'}, ${already} adopted before, ${leftCount} left alone`,
    ...adopted.flatMap(({ id, from, kind, createdAt, sizeBytes, warnings }) => [
      `  ${id ?? `${kind} of ${createdAt}`}  ${bytes(sizeBytes)}  ${from}`,
      ...warnings.map((warning) => `    ${warning}`),
    ]),
    ...left.map(({ from, why, broken }) => `  ${broken ? 'BROKEN' : 'left  '} ${from}  ${why}`),
    ...(leftCount > left.length ? [`  and ${leftCount - left.length} more that were left alone`] : []),
    ...(more > 0 ? [`${more} more: start it again once these are adopted`] : []),
    ...(adopted.length > 0 && !dryRun
      ? [`prove them: holdfast verify ${source} <id>; what retention makes of them: holdfast prune ${source} --dry-run`]
      : []),
  ]
}
