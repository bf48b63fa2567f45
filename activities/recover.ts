/** Bringing data back: a copy at one moment beside the live database, or a point in its place. */
import { isPostgres } from '../src/config/schema.ts'
import type { PitrTarget } from '../src/contract/inputs.ts'
import { warningsOf } from '../src/core/points.ts'
import { HoldfastError } from '../src/core/errors.ts'
import type { Restored } from '../src/drivers/driver.ts'
import { lookAtCopy } from '../src/drivers/postgres-common/copied-tables.ts'
import { copyBackCommand } from '../src/drivers/postgres-common/copy-back.ts'
import { createSource } from '../src/pipeline/read.ts'
import { withProgress } from './context.ts'
import { destroyInstances, instanceDir, instanceFolders, withOwnInstance } from './instances.ts'
import { hostsOfSource } from './placement.ts'
import { openSource, type Services, sourceOf } from './services.ts'

export interface RecoveryReport {
  source: string
  instance: string
  /** The host that it runs on. */
  host?: string
  base: string
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
  instance: string
  workflowId: string
  runId: string
}

const noSuchTable = (name: string) =>
  `there was no table ${name} at that time${/^[a-z0-9_.]*$/.test(name) ? '' : `; a name with capitals or signs is given in its own quotes, like --table '"Orders"'`}`

export function createRecoverActivities(services: Services) {
  const { config } = services
  const open = (source: string) => openSource(services, source)
  /** False where the live side is away: what was archived before is all there is then. */
  const switchWal = async (source: string): Promise<boolean> => {
    try {
      return (await (await services.driver(source)).switchWal?.()) !== undefined
    } catch {
      return false
    }
  }

  return {
    async recoverToPoint(input: RecoverInput): Promise<RecoveryReport> {
      return withProgress(async (context) => {
        const started = Date.now()
        const { source, target } = input
        const { store, catalog } = await open(source)
        const driver = await services.repositoryDriver(source, context.host)
        if (!driver.plan)
          throw new HoldfastError('INPUT_INVALID', `${source} is ${driver.kind}, which knows no point in time`, {
            object: source,
            next: 'use a source whose log is archived: of the drivers postgres-physical, raft-cluster; or an event store, postgres-events',
          })
        // The WAL that follows the target has to be in the archive: without it nobody knows that the target was reached.
        const walSwitched = await switchWal(source)
        const points = await catalog.listPoints(source)
        const manifests = await Promise.all(points.map(async ({ id }) => (await catalog.readManifest(source, id)).manifest))
        const choice = await driver.plan(target, manifests)
        const manifest = manifests.find(({ id, reference }) => id === choice.pointId || reference?.label === choice.label)
        if (!manifest)
          throw new HoldfastError(
            'TARGET_OUT_OF_RANGE',
            `The base ${choice.label} for this target has no recovery point in the catalogue`,
            { object: choice.label },
          )
        const base = points.find(({ id }) => id === manifest.id)
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
            to: { timeline: choice.timeline, ...target },
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
            walSwitched,
            tables: tables.map((table) => ({
              name: table.name,
              rows: table.rows,
              copyBack: copyBackCommand(connection, live, table, suffix),
            })),
            ...(restored.notes && { notes: restored.notes }),
            warnings: [...(base ? warningsOf(base, points) : []), ...missing.map(noSuchTable)],
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
