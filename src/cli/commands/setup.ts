/** worker: the process that does the work. */
import type { Command } from 'commander'
import type { Action } from '../program.ts'

export function addSetupCommands(program: Command, action: Action): void {
  program.command('worker').description('run a worker until it is stopped').option('--roles <list>', 'control, data, host:<name>, separated by commas', 'control,data')
    .action(action((context, o: { roles: string }) => context.wiring.serve({ configFile: context.options.config, roles: o.roles })))
}
