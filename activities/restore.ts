/** A recovery point brought back: checked before anything is touched, made aside, then swapped in. */
import { HoldfastError } from '../src/core/errors.ts'
import type { RestoreChoice, SourceDriver, Swapped } from '../src/drivers/driver.ts'
import { createSource } from '../src/pipeline/read.ts'
import { type Surroundings, surroundingsOf } from './applications.ts'
import { hostHere, withProgress } from './context.ts'
import { instanceDir, withOwnInstance } from './instances.ts'
import { refuseOwnDatabase } from './own-database.ts'
import { openSource, type Services } from './services.ts'

export interface RestoreReport {
  source: string
  id: string
  target: 'beside' | 'live'
  instance: string
  /** Where the point was taken from, where that is not the one of the source. */
  repository?: string
  /** The host that it runs on, where it is beside. */
  host?: string
  connection?: string
  /** A command that looks at it, where it is not psql with the connection. */
  connect?: string
  database: string
  /** Of the database that was made beside the live one: that one is swapped in and no other. */
  oid?: string
  bytes: number
  safetyBackup?: string
  keptAs?: string
  /** What an operator does with what is kept, or has to know now. */
  notes?: string[]
  /** What its proofs say against it, or against newer ones. */
  warnings?: string[]
}

interface Point {
  source: string
  id: string
  /** Another one than that of the source. */
  repository?: string | undefined
}
interface Wanted extends Point {
  instance: string
  choice?: RestoreChoice
}

export function createRestoreActivities(services: Services) {
  const { config } = services
  const read = async ({ source, id, repository }: Point) => {
    const { store, catalog } = await openSource(services, source, repository)
    const { manifest } = await catalog.readManifest(source, id)
    const artifacts = (signal: AbortSignal) =>
      createSource({ store, identityFile: config.encryption.identityFile, headersOf: catalog.headers(), signal })
    return { manifest, artifacts }
  }
  const live = async (source: string, host: string | undefined) => {
    refuseOwnDatabase(config, source)
    const driver = await services.driver(source, host)
    if (!driver.live) {
      throw new HoldfastError('INPUT_INVALID', `A ${driver.kind} point does not go over a live database`, {
        object: source,
        next: driver.notLive ?? 'restore it beside, without live; look, and copy back what is needed',
      })
    }
    return driver.live
  }
  return {
    /** Everything that refuses a restore, before anything is touched. */
    async checkRestore({
      target,
      confirm,
      choice = {},
      ...place
    }: Point & { target: 'beside' | 'live'; confirm?: string; choice?: RestoreChoice }): Promise<{
      fingerprint: string
      around?: Surroundings
      /** What is asked once everything is in its place. */
      afterwards?: string[]
    }> {
      const { source } = place
      // Before the point is read: what no restore of this source would do is refused, whichever repository is away.
      const over = target === 'live' ? await live(source, hostHere()) : undefined
      const { manifest, artifacts } = await read(place)
      if (Object.keys(choice).length > 0) refuseUnknown(await services.repositoryDriver(source), source, choice)
      if (!over) return { fingerprint: '' }
      await withProgress((context) => over.check(manifest, confirm ?? '', choice, { context, source: artifacts(context.signal) }))
      const around = over.restoresProjections?.(choice)
        ? withoutProjections(surroundingsOf(config, source))
        : surroundingsOf(config, source)
      const afterwards = over.afterwards?.map(({ name }) => name)
      return { fingerprint: await over.fingerprint(choice), ...(around && { around }), ...(afterwards && { afterwards }) }
    },

    /** Throws where it is not well. */
    async askAfterwards({ source, name }: { source: string; name: string }): Promise<void> {
      await withProgress(async (context) => (await live(source, context.host)).afterwards?.find((one) => one.name === name)?.run(context))
    },

    async restoreAside({
      source,
      id,
      repository,
      instance,
      target,
      choice = {},
    }: Wanted & { target: 'beside' | 'live' }): Promise<RestoreReport> {
      return withProgress(async (context) => {
        const { manifest, artifacts } = await read({ source, id, repository })
        const stored = artifacts(context.signal)
        if (target === 'live') {
          const made = await (await live(source, context.host)).restoreAside(context, manifest, stored, {
            dir: instanceDir(services, source, instance),
            choice,
          })
          await context.requireCurrent()
          return { source, id, target, instance, ...made }
        }
        const driver = await services.repositoryDriver(source, context.host)
        const place = { dir: instanceDir(services, source, instance), instance }
        return withOwnInstance(context, driver, place, async (own) => {
          const { target: made, bytes, notes } = await driver.restore(context, manifest, stored, { dir: own.dir, promote: true, choice })
          const { connection, database, connect } = made
          const host = context.host
          const way = { ...(host !== undefined && { host }), connection, ...(connect !== undefined && { connect }), database }
          return { source, id, target, instance: own.instance, ...way, bytes, ...(notes && { notes }) }
        })
      })
    },

    async swapIn({
      source,
      id,
      repository,
      instance,
      confirm,
      oid,
      choice = {},
    }: Wanted & { confirm: string; oid?: string }): Promise<Swapped> {
      return withProgress(async (context) => {
        const { manifest, artifacts } = await read({ source, id, repository })
        const stored = artifacts(context.signal)
        const dir = instanceDir(services, source, instance)
        const filling = { context, source: stored, dir, choice, stillWanted: () => context.requireCurrent() }
        return (await live(source, context.host)).swap(manifest, confirm, oid, filling)
      })
    },

    async removeAside({ source, id, repository, instance, choice = {} }: Wanted): Promise<void> {
      await withProgress(async ({ host }) => {
        const { manifest } = await read({ source, id, repository })
        await (await live(source, host)).removeAside(manifest, { dir: instanceDir(services, source, instance), choice })
      })
    },
  }
}

const withoutProjections = (around: Surroundings | undefined): Surroundings | undefined => around && { ...around, projections: [] }

/** Ignored, a choice would let somebody believe that it was heeded. */
function refuseUnknown({ kind, capabilities }: Pick<SourceDriver, 'kind' | 'capabilities'>, source: string, choice: RestoreChoice): void {
  const known: readonly string[] = capabilities.choices ?? []
  const unknown = Object.keys(choice).find((key) => !known.includes(key))
  if (unknown === undefined) return
  throw new HoldfastError('INPUT_INVALID', `${source} is ${kind}, whose restores have no "${unknown}"`, {
    object: unknown,
    next: known.length > 0 ? `leave it out; there is ${known.join(', ')}` : 'leave it out: the whole point is restored',
  })
}
export type RestoreActivities = ReturnType<typeof createRestoreActivities>
