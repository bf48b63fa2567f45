/** A configured change of a source's schema: its command, its check, and what a way back needs. */
import { HoldfastError } from '../src/core/errors.ts'
import type { Command } from '../src/process/command.ts'
import { markOf, stopMarked } from '../src/process/marked.ts'
import { run } from '../src/process/run.ts'
import { type RunningContext, withProgress } from './context.ts'
import { refuseOwnDatabase } from './own-database.ts'
import { type Services, sourceOf } from './services.ts'

export interface Migration {
  source: string
  /** The name of one that is configured. */
  run: string
  schemaVersion: string | number
}

export function createMigrateActivities(services: Services) {
  const migrationOf = ({ source, run: name }: Migration) => {
    const { migrations } = sourceOf(services.config, source)
    const found = migrations[name]
    if (found) return found
    const known = Object.keys(migrations).join(', ')
    throw new HoldfastError('NOT_FOUND', `${source} has no migration "${name}"; there is ${known || 'none'}`, {
      object: name,
      next: known ? `name one of ${known}` : `write it under migrations of ${source} in holdfast.yaml, with the command that it runs`,
    })
  }
  const live = async (source: string) => {
    const driver = await services.driver(source)
    if (driver.live) return driver.live
    throw new HoldfastError(
      'INPUT_INVALID',
      `${source} is ${driver.kind}, whose points go over no live source: there would be no way back`,
      {
        object: source,
        next: 'migrate it by hand: back up, migrate, and restore beside where that fails',
      },
    )
  }
  return {
    /** Everything that refuses a migration, before anything is touched. */
    async planMigration(migration: Migration): Promise<{ checked: boolean }> {
      const { check } = migrationOf(migration)
      refuseOwnDatabase(services.config, migration.source)
      await live(migration.source)
      return { checked: check !== undefined }
    },

    /** Once and no second time: nobody knows what half of it has done. */
    async runMigration(migration: Migration): Promise<{ said: string }> {
      return withProgress((context) => runCommand(migrationOf(migration).run, migration, context))
    },

    async checkMigration(migration: Migration): Promise<{ said: string }> {
      const { check } = migrationOf(migration)
      return check ? withProgress((context) => runCommand(check, migration, context)) : { said: '' }
    },

    /** What still runs of it: its worker may have died, or be taken for dead. */
    async endMigration(): Promise<void> {
      await withProgress((context) => stopMarked(markOfRun(context)))
    },

    async liveFingerprint({ source }: { source: string }): Promise<{ fingerprint: string }> {
      return { fingerprint: await (await live(source)).fingerprint() }
    },
  }
}
export type MigrateActivities = ReturnType<typeof createMigrateActivities>

const markOfRun = ({ workflowId, runId }: RunningContext): string => `${workflowId}/${runId}`

async function runCommand(command: readonly string[], migration: Migration, context: RunningContext): Promise<{ said: string }> {
  const [program = '', ...args] = command.map((word) => word.replaceAll('{schemaVersion}', String(migration.schemaVersion)))
  const marked: Command = { program, args, env: markOf(markOfRun(context)) }
  const { stdout } = await run(marked, { signal: context.signal })
  return { said: stdout.trim().split('\n').slice(-LINES).join('\n').slice(-CHARACTERS) }
}
/** Of what it printed, for the history: its log is its own. */
const LINES = 5
const CHARACTERS = 1000
