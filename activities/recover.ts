/** Bringing data back: a copy at one moment beside the live database, or a point in its place. */
import { isPostgres } from '../src/config/schema.ts'
import type { PitrTarget } from '../src/contract/inputs.ts'
import { HoldfastError } from '../src/core/errors.ts'
import type { Restored } from '../src/drivers/driver.ts'
import { lookAtCopy } from '../src/drivers/postgres-common/copied-tables.ts'
import { copyBackCommand } from '../src/drivers/postgres-common/copy-back.ts'
import { createSource } from '../src/pipeline/read.ts'
import { withProgress } from './context.ts'
import { type Base, type BaseWish, findBase } from './find-base.ts'
import type { InPlace } from './in-places.ts'
import { destroyInstances, instanceDir, instanceFolders, withOwnInstance } from './instances.ts'
import { hostsOfSource } from './placement.ts'
import { openSource, repositoryOf, type Services, sourceOf } from './services.ts'

export interface RecoveryReport {
  source: string
  instance: string
  /** The host that it runs on. */
  host?: string
  base: string
  /** Where that was taken from, where it is not the one of the source. */
  repository?: string
  target: PitrTarget
  stoppedAt: NonNullable<Restored['stoppedAt']>
  connection: string
  database: string
  tables: { name: string; rows: number; copyBack: string }[]
  /** What an operator has to know of the copy. */
  notes?: string[]
  /** What was asked for and is not in the copy. Absent in runs of before it was said. */
  warnings?: string[]
  seconds: number
  /** False where the live side could not be asked to end its WAL segment: then only what was archived is known. */
  walSwitched: boolean
}
interface RecoverInput {
  source: string
  target: PitrTarget
  into: string
  tables: string[]
  base?: Base
  /** Where that is, where it is not the one of the source. */
  repository?: string
  instance: string
  workflowId: string
  runId: string
}

const noSuchTable = (name: string) =>
  `there was no table ${name} at that time${/^[a-z0-9_.]*$/.test(name) ? '' : `; a name with capitals or signs is given in its own quotes, like --table '"Orders"'`}`

export function createRecoverActivities(services: Services) {
  const { config } = services
  return {
    /** Which point a recovery begins with, and where it is taken from: that of its source as long as it can. */
    async planRecovery(wish: BaseWish): Promise<Base & InPlace> {
      return withProgress(({ host }) => findBase(services, wish, host))
    },

    async recoverToPoint(input: RecoverInput): Promise<RecoveryReport> {
      return withProgress(async (context) => {
        const started = Date.now()
        const { source, target } = input
        // Runs of before it was looked for by itself have no base.
        const base = input.base ?? (await findBase(services, { source, target, repository: repositoryOf(config, source) }, context.host))
        const { store, catalog } = await openSource(services, source, input.repository)
        const { manifest } = await catalog.readManifest(source, base.id)
        const driver = await services.repositoryDriver(source, context.host)
        const dir = instanceDir(services, source, input.instance)
        const artifacts = createSource({
          store,
          identityFile: config.encryption.identityFile,
          headersOf: catalog.headers(),
          signal: context.signal,
        })
        return withOwnInstance(context, driver, { dir, instance: input.instance }, async (own) => {
          const restored = await driver.restore(context, manifest, artifacts, {
            dir: own.dir,
            to: { timeline: base.timeline, ...target },
            promote: input.into === 'beside',
          })
          if (!restored.stoppedAt)
            throw new HoldfastError('TARGET_NOT_REACHED', 'The engine does not say where it stopped', { object: source })
          const { connection, database } = restored.target
          // Only databases of tables are looked at table by table.
          const live = isPostgres(sourceOf(config, source)) ? await services.liveConnection(source) : ''
          const { tables, missing } = live === '' ? { tables: [], missing: [] } : await lookAtCopy(connection, live, input.tables)
          const suffix = own.instance.replace(/^pitr-/, '').replaceAll(/\W/g, '_')
          return {
            source,
            instance: own.instance,
            ...(context.host !== undefined && { host: context.host }),
            base: manifest.id,
            target,
            stoppedAt: restored.stoppedAt,
            connection,
            database,
            walSwitched: base.walSwitched,
            tables: tables.map((table) => ({
              name: table.name,
              rows: table.rows,
              copyBack: copyBackCommand(connection, live, table, suffix),
            })),
            ...(restored.notes && { notes: restored.notes }),
            warnings: [...base.warnings, ...(restored.warnings ?? []), ...missing.map(noSuchTable)],
            seconds: (Date.now() - started) / 1000,
          }
        })
      })
    },

    /** Where instances of a source may be: on the hosts of both sides, since the primary moves and they do not. */
    async hostsOf({ source }: { source: string }): Promise<{ hosts: string[] }> {
      return { hosts: hostsOfSource(config, source) }
    },

    /** Whether this host has the instance, of whichever try. */
    async findInstance({ source, instance }: { source: string; instance: string }): Promise<{ found: boolean }> {
      return { found: (await instanceFolders(instanceDir(services, source, instance))).length > 0 }
    },

    async discardInstance({ source, instance }: { source: string; instance: string }): Promise<void> {
      await withProgress(async ({ host }) =>
        destroyInstances(await services.repositoryDriver(source, host), instanceDir(services, source, instance)),
      )
    },
  }
}
export type RecoverActivities = ReturnType<typeof createRecoverActivities>
