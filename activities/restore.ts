/** A recovery point brought back: checked before anything is touched, made aside, then swapped in. */
import { HoldfastError } from '../src/core/errors.ts'
import { createSource } from '../src/pipeline/read.ts'
import { withProgress } from './context.ts'
import { instanceDir, withOwnInstance } from './instances.ts'
import { openSource, type Services } from './services.ts'

export interface RestoreReport {
  source: string
  id: string
  target: 'beside' | 'live'
  instance: string
  /** The host that it runs on, where it is beside. */
  host?: string
  connection?: string
  database: string
  /** Of the database that was made beside the live one: that one is swapped in and no other. */
  oid?: string
  bytes: number
  safetyBackup?: string
  keptAs?: string
  /** What its proofs say against it, or against newer ones. */
  warnings?: string[]
}

interface Point {
  source: string
  id: string
}

export function createRestoreActivities(services: Services) {
  const { config } = services
  const open = (source: string) => openSource(services, source)
  const live = async (source: string) => {
    const driver = await services.driver(source)
    if (!driver.live) {
      throw new HoldfastError('INPUT_INVALID', `A ${driver.kind} point does not go over a live database`, {
        object: source,
        next: 'restore it beside, without live; look, and copy back what is needed',
      })
    }
    return driver.live
  }
  return {
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
        if (target === 'live') {
          const made = await (await live(source)).restoreAside(context, manifest, artifacts)
          await context.requireCurrent()
          return { source, id, target, instance, ...made }
        }
        const driver = await services.repositoryDriver(source, context.host)
        const place = { dir: instanceDir(services, source, instance), instance }
        return withOwnInstance(context, driver, place, async (own) => {
          const { target: made, bytes } = await driver.restore(context, manifest, artifacts, { dir: own.dir, promote: true })
          const { connection, database } = made
          const host = context.host
          return { source, id, target, instance: own.instance, ...(host !== undefined && { host }), connection, database, bytes }
        })
      })
    },

    async swapIn({
      source,
      id,
      confirm,
      oid,
    }: Point & { instance: string; confirm: string; oid?: string }): Promise<{ database: string; keptAs: string }> {
      return withProgress(async () => {
        const { catalog } = await open(source)
        return (await live(source)).swap((await catalog.readManifest(source, id)).manifest, confirm, oid)
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
export type RestoreActivities = ReturnType<typeof createRestoreActivities>
