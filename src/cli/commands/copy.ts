/** copy: what schedules do for second repositories, by hand. */
import type { Command } from 'commander'
import { bytes } from '../output.ts'
import type { Action } from '../program.ts'
import { runWorkflow } from '../runs.ts'

interface CopiesDone {
  copies: {
    to: string
    copied: string[]
    bytes: number
    proved: number
    passedOver: { id: string; why: string }[]
    unnamed?: number
    logs?: { archive: string; segments: number; bytes: number }[]
  }[]
  warnings: string[]
}

export function addCopyCommand(program: Command, action: Action): void {
  program
    .command('copy <source>')
    .description('bring recovery points that are missing there to the other repositories of a source, prove and prune them there')
    .option('--to <repository>', 'to this one only')
    .option(
      '--thaw',
      'ask an archive for the points that are in one, and wait until they can be read: what that costs depends on its tier',
      false,
    )
    .option('--detach', 'do not wait: print the id of the run', false)
    .action(
      action(async (context, source: string, { to, thaw, detach }: { to?: string; thaw: boolean; detach: boolean }) => {
        const { workflowId, result } = await runWorkflow<CopiesDone>(
          context,
          'copyPoints',
          { source, to, ...(thaw && { thaw }) },
          { detach },
        )
        context.output.result(result ?? { workflowId }, result ? lines(result) : [workflowId])
      }),
    )
}

function lines({ copies, warnings }: CopiesDone): string[] {
  return [
    ...copies.flatMap(({ to, copied, bytes: sent, proved, passedOver, unnamed = 0, logs = [] }) => [
      `${to}: ${copied.length} copied, ${bytes(sent)}, ${proved} proved there`,
      ...copied.map((id) => `  copied ${id}`),
      ...logs.map(({ archive, segments, bytes: size }) => `  log    ${archive}: ${segments} segments, ${bytes(size)}`),
      ...passedOver.map(({ id, why }) => `  passed over ${id}  ${why}`),
      ...(unnamed > 0 ? [`  passed over ${unnamed} more`] : []),
    ]),
    ...warnings.map((warning) => `warning: ${warning}`),
  ]
}
