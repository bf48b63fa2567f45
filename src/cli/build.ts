/** A command line of families of commands: documented exit codes, one way to fail. Loads no more than every command needs. */
import { Command, CommanderError } from 'commander'
import { DEFAULT_FILE } from '../config/load.ts'
import { EXIT, HoldfastError } from '../core/errors.ts'
import { VERSION } from '../core/version.ts'
import type { CommandContext, GlobalOptions, Wiring } from './context.ts'
import { createOutput, type Streams } from './output.ts'
import { type Failure, failureOfError, plainFailure } from './plain-failure.ts'
import { commandOf, troubleFrom } from './words.ts'

/** Makes a command's action of a function that is given the context first; what it resolves with is the exit code. */
export type Action = <A extends unknown[]>(
  act: (context: CommandContext, ...args: A) => Promise<number> | Promise<void>,
) => (...args: A) => Promise<void>

/** Every exit code with its meaning; scripts rely on them. */
export const EXIT_MEANINGS: Record<keyof typeof EXIT, string> = {
  ok: 'done',
  failed: 'failed',
  usage: 'wrong input or configuration',
  degraded: 'done with something lacking, or something needs attention',
  refused: 'refused: protected, not approved, not ready, or past the point of no return',
  busy: 'busy: another run holds the resource',
  notFound: 'not found',
  integrity: 'integrity or a proof failed',
  unreachable: 'a server cannot be reached',
  cancelled: 'cancelled, or left by Ctrl-C while the run goes on',
}

const exitLines = (Object.keys(EXIT) as (keyof typeof EXIT)[]).map((name) => `  ${String(EXIT[name]).padStart(3)}  ${EXIT_MEANINGS[name]}`)

export interface Program {
  /** Never rejects: resolves with the exit code. */
  run(args: string[]): Promise<number>
  readonly command: Command
}

/** Adds the commands of one family. */
export type Family = (program: Command, action: Action) => void

/** The families under their headings in the help. */
export function buildProgram(families: Readonly<Record<string, Family>>, wiring: Wiring, streams?: Streams): Program {
  let exitCode: number = EXIT.ok
  const program = new Command('holdfast')
  const action: Action =
    (act) =>
    async (...args) => {
      const options = program.opts<GlobalOptions>()
      const context: CommandContext = { wiring, options, output: createOutput(options.json, streams) }
      exitCode = (await act(context, ...args)) || (context.lacking ? EXIT.degraded : EXIT.ok)
    }
  program
    .description('Backup and disaster recovery as Temporal workflows.')
    .version(VERSION)
    .option('-c, --config <file>', 'configuration; HOLDFAST_CONFIG or holdfast.yaml by default')
    .option('--json', 'one JSON document on stdout; an error is one on stderr', false)
    .hook('preAction', () => {
      if (!program.opts<Partial<GlobalOptions>>().config) program.setOptionValue('config', process.env['HOLDFAST_CONFIG'] || DEFAULT_FILE)
    })
    .addHelpText('afterAll', `\nExit codes:\n${exitLines.join('\n')}`)
    .configureOutput({ writeErr: () => {}, writeOut: (text) => void (streams?.out ?? process.stdout).write(text) })
    .exitOverride()
    .showHelpAfterError(false)
  for (const [heading, add] of Object.entries(families)) add(program.commandsGroup(heading), action)
  return {
    command: program,
    async run(args) {
      exitCode = EXIT.ok
      try {
        await program.parseAsync(args, { from: 'user' })
        return exitCode
      } catch (error) {
        return fail(error, createOutput(args.includes('--json'), streams), { program, troubleFrom: troubleFrom(commandOf(args)) })
      }
    },
  }
}

interface Failing {
  program: Command
  troubleFrom: number
}

async function fail(error: unknown, output: CommandContext['output'], failing: Failing): Promise<number> {
  if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok
  const failure = await failureOfCommand(error, output, failing.program)
  if (typeof failure === 'number') return failure
  const exitCode = failing.troubleFrom + failure.exitCode
  output.failure({ ...failure, exitCode })
  return exitCode
}

/** What failed; or the exit code of what ended otherwise and has said so. */
async function failureOfCommand(error: unknown, output: CommandContext['output'], program: Command): Promise<Failure | number> {
  if (error instanceof CommanderError) {
    const message = error.code === 'commander.help' ? 'a command is missing' : error.message.replace(/^error: /, '')
    return plainFailure('INPUT_INVALID', message, { next: `${helpFor(program)} --help` })
  }
  if (error instanceof HoldfastError) return failureOfError(error)
  // What only a command that talks to Temporal throws: its client takes longer to load than most commands to run.
  const [{ Detached }, { failureOf }] = await Promise.all([import('./follow.ts'), import('./failure.ts')])
  if (!(error instanceof Detached)) return failureOf(error)
  const { value, lines } = error.answer()
  output.result(value, lines)
  return EXIT.cancelled
}

/** The command that was being read. */
function helpFor(program: Command): string {
  const [name] = program.args
  return program.commands.some((command) => command.name() === name) ? `holdfast ${name}` : 'holdfast'
}
