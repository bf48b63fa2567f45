/** The whole command line: one file for each family of commands. */
import { buildProgram, type Family, type Program } from './build.ts'
import { addAdoptCommand } from './commands/adopt.ts'
import { addBackupCommands } from './commands/backup.ts'
import { addCopyCommand } from './commands/copy.ts'
import { addDiffCommand } from './commands/diff.ts'
import { addFailoverCommands } from './commands/failover.ts'
import { addKeyCommands } from './commands/keys.ts'
import { addMigrateCommand } from './commands/migrate.ts'
import { addPointCommands } from './commands/points.ts'
import { addRebuildCommand } from './commands/rebuild.ts'
import { addRestoreCommands } from './commands/restore.ts'
import { addSetCommands } from './commands/sets.ts'
import { addSetupCommands } from './commands/setup.ts'
import { addStatsCommand } from './commands/stats.ts'
import { addStatusCommands } from './commands/status.ts'
import { addSteeringCommands } from './commands/steering.ts'
import { WAL_FAMILY } from './commands/wal.ts'
import type { Wiring } from './context.ts'
import type { Streams } from './output.ts'

export { type Action, EXIT_MEANINGS } from './build.ts'

const FAMILIES: Readonly<Record<string, Family>> = {
  'Setting up:': addSetupCommands,
  'Taking and proving:': (program, action) => {
    addBackupCommands(program, action)
    addCopyCommand(program, action)
    addAdoptCommand(program, action)
    addMigrateCommand(program, action)
  },
  'Recovery points:': (program, action) => {
    addPointCommands(program, action)
    addStatsCommand(program, action)
    addKeyCommands(program, action)
  },
  'Recovery sets:': addSetCommands,
  'Bringing back:': (program, action) => {
    addRestoreCommands(program, action)
    addDiffCommand(program, action)
    addRebuildCommand(program, action)
  },
  'A pair:': addFailoverCommands,
  'Runs under way:': addSteeringCommands,
  'How it stands:': addStatusCommands,
  ...WAL_FAMILY,
}

export const createProgram = (wiring: Wiring, streams?: Streams): Program => buildProgram(FAMILIES, wiring, streams)
