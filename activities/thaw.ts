/** Points in an archive: asked for, so that they can be read for some days. */
import { mapConcurrently } from '../src/catalog/concurrent.ts'
import { HoldfastError } from '../src/core/errors.ts'
import { seconds } from '../src/core/duration.ts'
import { thaw as thawSchema } from '../src/config/schema/transitions.ts'
import { withProgress } from './context.ts'
import { openSource, repositoryOf, type Services } from './services.ts'

export interface Thaw {
  /** Objects of the point that an archive has, and those of them that cannot be read yet. */
  archived: number
  left: number
  tier: string
  /** When to look again. */
  lookSeconds: number
}

interface Point {
  source: string
  id: string
  repository?: string
}

export function createThaw(services: Services) {
  const { config } = services
  const howOf = (repository: string) => {
    const found = config.repositories[repository]
    return thawSchema.unwrap().parse((found?.type === 's3' && found.thaw) || {})
  }
  return {
    /** How much of the point can be read; with `ask`, the rest is asked for. Safe to repeat: what was asked for is not asked again. */
    async thawPoint({ source, id, repository, ask }: Point & { ask: boolean }): Promise<Thaw> {
      return withProgress(async (context) => {
        const { tier, days, look } = howOf(repositoryOf(config, source, repository))
        const { store, catalog } = await openSource(services, source, repository)
        const { manifest } = await catalog.readManifest(source, id)
        const states = await mapConcurrently(manifest.artifacts, async ({ key }) => {
          context.signal.throwIfAborted()
          const info = await store.head(key)
          if (!info) throw new HoldfastError('INTEGRITY', `${key} is missing in the repository`, { object: key })
          if (ask && info.thaw === 'none') await store.classes?.thaw(key, { tier, days })
          return info.thaw
        })
        const archived = states.filter((state) => state !== undefined)
        const left = archived.filter((state) => state !== 'readable').length
        return { archived: archived.length, left, tier, lookSeconds: seconds(look) }
      })
    },
  }
}
