/** migrate: a configured change of schema, with a recovery point before it and the way back behind it. */
import type { Command } from 'commander'
import { loadConfig } from '../../config/load.ts'
import { HoldfastError } from '../../core/errors.ts'
import { byOption, type CommandContext } from '../context.ts'
import type { Action } from '../program.ts'
import { runWorkflow } from '../runs.ts'

interface MigrateOptions {
  to: string
  run?: string
  from?: string
  description?: string
  by: string
  detach: boolean
}
interface Migrated {
  run: string
  recoveryPoint: string
  proof?: { ok: boolean; depth: string }
  said: string
  seconds: number
  warnings: string[]
}

export function addMigrateCommand(program: Command, action: Action): void {
  program
    .command('migrate <source>')
    .description('back up, run a configured migration, check it; where it fails, restore the source from that backup')
    .requiredOption('--to <schemaVersion>', 'the version to migrate to')
    .option('--run <name>', 'which of the migrations of the source; not needed where it has one')
    .option('--from <schemaVersion>', 'the version until now, kept with the recovery point')
    .option('-d, --description <text>', 'of the recovery point, instead of "Pre-migration to v<schemaVersion>"')
    .addOption(byOption('who asks'))
    .option('--detach', 'do not wait: print the id of the run', false)
    .action(action(migrate))
}

async function migrate(context: CommandContext, source: string, o: MigrateOptions): Promise<void> {
  const { to: schemaVersion, from, description, by: requestedBy, detach } = o
  const run = o.run ?? (await onlyMigration(context, source))
  const input = { source, schemaVersion, run, from, description, requestedBy }
  const { workflowId, result } = await runWorkflow<Migrated>(context, 'migrate', input, { detach })
  context.output.result(result ?? { workflowId }, result ? lines(source, schemaVersion, result) : [workflowId])
}

async function onlyMigration({ options }: CommandContext, source: string): Promise<string> {
  const { sources } = await loadConfig(options.config)
  const names = Object.keys(sources[source]?.migrations ?? {})
  if (names[0] !== undefined && names.length === 1) return names[0]
  throw new HoldfastError('INPUT_INVALID', `${source} has ${names.length === 0 ? 'no migration' : `the migrations ${names.join(', ')}`}`, {
    object: source,
    next: names.length === 0 ? `write one under migrations of ${source} in holdfast.yaml` : `name one with --run ${names[0]}`,
  })
}

function lines(source: string, schemaVersion: string, { run, recoveryPoint, proof, said, seconds, warnings }: Migrated): string[] {
  const proved = proof ? `, proof ${proof.depth} ${proof.ok ? 'passed' : 'FAILED'}` : ''
  return [
    `${source} is migrated to ${schemaVersion} by ${run} in ${seconds.toFixed(1)} s`,
    ...(said ? said.split('\n').map((line) => `  ${line}`) : []),
    `the way back: ${recoveryPoint}${proved}`,
    ...warnings.map((warning) => `warning: ${warning}`),
  ]
}
