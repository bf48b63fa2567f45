/** The programs of a dump, as data. Passwords travel by environment; all parts read the same exported snapshot. */
import { join } from 'node:path'
import type { LogicalSourceConfig } from './config.ts'
import type { Command } from '../../process/command.ts'
import { parseConnection, pgEnvironment } from '../postgres-common/connect.ts'
import { type Selection, selectionArguments } from '../postgres-common/relations.ts'
import type { DatabaseFacts } from './facts.ts'

export type PartName = LogicalSourceConfig['parts'][number]

export interface DumpOptions {
  config: LogicalSourceConfig
  connection: string
  facts: DatabaseFacts
  snapshot: string
  /** Names the sessions of this try, so that they can be found and ended. */
  applicationName: string
  lockWaitMs: number
}

/** Environment of a program that reads the source for as long as it takes, and whose session ends soon after it. */
export function dumpEnvironment({ connection, facts, applicationName }: DumpOptions): Record<string, string> {
  const settings = [
    'statement_timeout=0',
    'idle_in_transaction_session_timeout=0',
    ...(facts.versionNumber >= 140_000 ? ['client_connection_check_interval=2000'] : []),
  ]
  const own = parseConnection(connection)['options']
  return {
    ...pgEnvironment(connection),
    PGAPPNAME: applicationName,
    PGOPTIONS: [...(own ? [own] : []), ...settings.map((setting) => `-c ${setting}`)].join(' '),
  }
}

const FORMAT: Record<Exclude<PartName, 'globals'>, string[]> = {
  // zstd compresses afterwards, and better.
  database: ['--format=custom', '--compress=0'],
  schema: ['--format=custom', '--compress=0', '--schema-only'],
  data: ['--format=custom', '--compress=0', '--data-only'],
  plain: ['--format=plain'],
}

export function partCommand(part: PartName, options: DumpOptions): Command {
  if (part === 'globals') return globalsCommand(options)
  return { program: join(options.config.binDir, 'pg_dump'), args: [...FORMAT[part], ...common(options)], env: dumpEnvironment(options) }
}

/** The rows of a selection as a script. */
export function rowsCommand(selection: Selection, options: DumpOptions): Command {
  const args = ['--format=plain', '--data-only', ...common(options, selection)]
  return { program: join(options.config.binDir, 'pg_dump'), args, env: dumpEnvironment(options) }
}

/** Several tables at once into files of a new folder. */
export function directoryCommand(folder: string, options: DumpOptions): Command {
  const args = ['--format=directory', '--compress=0', `--jobs=${options.config.jobs}`, '--no-sync', `--file=${folder}`, ...common(options)]
  return { program: join(options.config.binDir, 'pg_dump'), args, env: dumpEnvironment(options) }
}

function common({ config, facts, snapshot, lockWaitMs }: DumpOptions, selection: Selection = config): string[] {
  // The rows of unlogged tables are not on a replica.
  const unlogged = facts.replica ? ['--no-unlogged-table-data'] : []
  return [`--snapshot=${snapshot}`, `--lock-wait-timeout=${lockWaitMs}`, '--no-password', ...unlogged, ...selectionArguments(selection)]
}

function globalsCommand(options: DumpOptions): Command {
  const { config, facts, lockWaitMs } = options
  const passwords = facts.superuser ? [] : ['--no-role-passwords']
  const args = ['--globals-only', `--database=${facts.name}`, `--lock-wait-timeout=${lockWaitMs}`, '--no-password', ...passwords]
  return { program: join(config.binDir, 'pg_dumpall'), args, env: dumpEnvironment(options) }
}
