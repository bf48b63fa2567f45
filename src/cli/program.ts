/** The command line: one file for each family of commands, documented exit codes, one way to fail. */
import { Command, CommanderError } from 'commander'
import { EXIT } from '../core/errors.ts'
import { VERSION } from '../core/version.ts'
import type { CommandContext, GlobalOptions, Wiring } from './context.ts'
import { createOutput, failureOf } from './output.ts'
import { addBackupCommands } from './commands/backup.ts'
import { addFailoverCommands } from './commands/failover.ts'
import { addPointCommands } from './commands/points.ts'
import { addRestoreCommands } from './commands/restore.ts'
import { addSetupCommands } from './commands/setup.ts'
import { addStatusCommands } from './commands/status.ts'
import { addSteeringCommands } from './commands/steering.ts'

/** Adds a command whose action gets the context first. */
export type Add = (parent: Command) => void
export type Action = <A extends unknown[]>(act: (context: CommandContext, ...args: A) => Promise<number | void>) => (...args: A) => Promise<void>

const EXITS = `
Exit codes: ${EXIT.ok} done, ${EXIT.failed} failed, ${EXIT.usage} wrong input or configuration, ${EXIT.degraded} degraded (an optional part failed), ${EXIT.refused} refused,
${EXIT.busy} busy, ${EXIT.notFound} not found, ${EXIT.integrity} integrity or proof failed, ${EXIT.unreachable} unreachable, ${EXIT.cancelled} cancelled.`

export function createProgram(wiring: Wiring): { run(args: string[]): Promise<number> } {
  const program = new Command('holdfast')
    .description('Backup and disaster recovery as Temporal workflows.')
    .version(VERSION)
    .option('-c, --config <file>', 'configuration', process.env['HOLDFAST_CONFIG'] ?? 'holdfast.yaml')
    .option('--json', 'one JSON document on stdout', false)
    .addHelpText('after', EXITS)
    .exitOverride()
  let exitCode: number = EXIT.ok
  const action: Action = (act) => async (...args) => {
    const options = program.opts<GlobalOptions>()
    exitCode = (await act({ wiring, options, output: createOutput(options.json) }, ...args)) ?? EXIT.ok
  }
  for (const add of [addSetupCommands, addBackupCommands, addPointCommands, addRestoreCommands, addFailoverCommands, addSteeringCommands, addStatusCommands]) add(program, action)
  return {
    async run(args) {
      try {
        await program.parseAsync(args, { from: 'user' })
        return exitCode
      } catch (error) {
        if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
        const failure = failureOf(error)
        const { json } = program.opts<GlobalOptions>()
        process.stderr.write(json ? `${JSON.stringify({ error: failure })}\n` : `${failure.code}: ${failure.message}\nnext: ${failure.next}\n`)
        return failure.exitCode
      }
    },
  }
}
