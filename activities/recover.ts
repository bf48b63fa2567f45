/** Bringing data back: a copy at one moment beside the live database, or a point in its place. */
import { join } from 'node:path'
import type { PitrTarget } from '../src/contract/inputs.ts'
import { HoldfastError } from '../src/core/errors.ts'
import type { Restored } from '../src/drivers/driver.ts'
import { copyBackCommand, countTables, type TableFound } from '../src/drivers/postgres-common/copy-back.ts'
import { createSource } from '../src/pipeline/read.ts'
import { withProgress } from './context.ts'
import { type Services, sourceOf } from './services.ts'

export interface RecoveryReport {
  source: string
  instance: string
  base: string
  target: PitrTarget
  stoppedAt: NonNullable<Restored['stoppedAt']>
  connection: string
  database: string
  tables: (TableFound & { copyBack: string })[]
  seconds: number
  /** False where the live side could not be asked to end its WAL segment: then only what was archived is known. */
  walSwitched: boolean
}
export interface RestoreReport {
  source: string
  id: string
  target: 'beside' | 'live'
  instance: string
  connection?: string
  database: string
  bytes: number
  safetyBackup?: string
  keptAs?: string
}
interface Point {
  source: string
  id: string
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

export function createRecoverActivities(services: Services) {
  const { config } = services
  const open = async (source: string) => {
    const { repository } = sourceOf(config, source)
    return { store: await services.store(repository), catalog: await services.catalog(repository) }
  }
  const dirOf = (source: string, instance: string) => {
    if (!/^(pitr|restore|proof)-[0-9a-zA-Z-]+$/.test(instance))
      throw new HoldfastError('INPUT_INVALID', `"${instance}" is no instance of a recovery`, { object: instance })
    return join(services.scratchRoot(sourceOf(config, source)), instance)
  }
  const live = async (source: string) => {
    const driver = await services.driver(source)
    if (!driver.live) {
      throw new HoldfastError('INPUT_INVALID', `A ${driver.kind} point does not go over a live database`, {
        object: source,
        next: 'restore it beside, look, and copy back what is needed; or fail over to it',
      })
    }
    return driver.live
  }

  return {
    async recoverToPoint(input: RecoverInput): Promise<RecoveryReport> {
      return withProgress(async (context) => {
        const started = Date.now()
        const { source, target } = input
        const { store, catalog } = await open(source)
        const driver = await services.driver(source)
        if (!driver.plan)
          throw new HoldfastError('INPUT_INVALID', `${source} is ${driver.kind}, which knows no point in time`, {
            object: source,
            next: 'use the source of driver postgres-physical',
          })
        // The WAL that follows the target has to be in the archive: without it nobody knows that the target was reached.
        const walSwitched = await (driver.switchWal?.() ?? Promise.reject(new Error('no archive'))).then(
          () => true,
          () => false,
        )
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
        const dir = dirOf(source, input.instance)
        const artifacts = createSource({ store, identityFile: config.encryption.identityFile, signal: context.signal })
        const restored = await driver.restore(context, manifest, artifacts, {
          dir,
          to: { timeline: choice.timeline, ...target },
          promote: input.into === 'beside',
        })
        if (!restored.stoppedAt)
          throw new HoldfastError('TARGET_NOT_REACHED', 'The engine does not say where it stopped', { object: source })
        const found = await countTables(restored.target.connection, input.tables)
        const liveConnection = await services.liveConnection(source)
        return {
          source,
          instance: input.instance,
          base: manifest.id,
          target,
          stoppedAt: restored.stoppedAt,
          connection: restored.target.connection,
          database: restored.target.database,
          walSwitched,
          tables: found.map((table) => ({ ...table, copyBack: copyBackCommand(restored.target.connection, liveConnection, table.name) })),
          seconds: (Date.now() - started) / 1000,
        }
      })
    },

    async discardInstance({ source, instance }: { source: string; instance: string }): Promise<void> {
      await withProgress(async () => (await services.driver(source)).destroy({ dir: dirOf(source, instance) }))
    },

    /** Everything that refuses a restore, before anything is touched. */
    async checkRestore({
      source,
      id,
      target,
      confirm,
    }: Point & { target: 'beside' | 'live'; confirm?: string }): Promise<{ fingerprint: string }> {
      const { catalog } = await open(source)
      const { manifest } = await catalog.readManifest(source, id)
      if (target === 'beside') return { fingerprint: '' }
      const over = await live(source)
      await over.check(manifest, confirm ?? '')
      return { fingerprint: await over.fingerprint() }
    },

    async restoreAside({ source, id, instance, target }: Point & { instance: string; target: 'beside' | 'live' }): Promise<RestoreReport> {
      return withProgress(async (context) => {
        const { store, catalog } = await open(source)
        const { manifest } = await catalog.readManifest(source, id)
        const artifacts = createSource({ store, identityFile: config.encryption.identityFile, signal: context.signal })
        if (target === 'live')
          return { source, id, target, instance, ...(await (await live(source)).restoreAside(context, manifest, artifacts)) }
        const driver = await services.driver(source)
        const { target: made, bytes } = await driver.restore(context, manifest, artifacts, { dir: dirOf(source, instance), promote: true })
        return { source, id, target, instance, connection: made.connection, database: made.database, bytes }
      })
    },

    async swapIn({ source, id, confirm }: Point & { instance: string; confirm: string }): Promise<{ database: string; keptAs: string }> {
      return withProgress(async () => {
        const { catalog } = await open(source)
        return (await live(source)).swap((await catalog.readManifest(source, id)).manifest, confirm)
      })
    },

    async removeAside({ source, id }: Point & { instance: string }): Promise<void> {
      await withProgress(async () => {
        const { catalog } = await open(source)
        await (await live(source)).removeAside((await catalog.readManifest(source, id)).manifest)
      })
    },
  }
}
export type RecoverActivities = ReturnType<typeof createRecoverActivities>
