/** Who can read what is stored: keys wrapped anew for the recipients of today, and the oldest point opened to see that somebody can. */
import { HoldfastError } from '../src/core/errors.ts'
import { archiveOf } from '../src/core/transitions.ts'
import { openArtifact } from '../src/pipeline/open-artifact.ts'
import { type RunningContext, withProgress } from './context.ts'
import { createRotation, placesOf } from './rotate-keys.ts'
import { openSource, type Services } from './services.ts'

export type { RotationReport } from './rotate-keys.ts'

export interface KeyCheck extends Oldest {
  source: string
  /** The same of each repository that has copies of the source: there may be older ones. */
  copies?: ({ repository: string } & Oldest)[]
}
interface Oldest {
  /** Absent where no point there has anything encrypted by Holdfast that can be read. */
  point?: string
  part?: string
  /** Its whole content, or its first bytes where it is large. */
  looked?: 'whole' | 'beginning'
  /** So many points were passed over, because an archive has to be asked before they can be read. */
  archived?: number
}

export function createKeyActivities(services: Services) {
  const { config } = services
  const { identityFile } = config.encryption

  return {
    ...createRotation(services),

    /** Opens the smallest artifact of the oldest point of each repository. Throws KEY_WRONG, KEY_MISSING or INTEGRITY where that cannot be done. */
    async checkKeys({ source }: { source: string }): Promise<KeyCheck> {
      return withProgress(async (context) => {
        const own = await openOldest(context, source, undefined)
        const copies: NonNullable<KeyCheck['copies']> = []
        for (const repository of placesOf(config, source))
          if (repository !== undefined) copies.push({ repository, ...(await openOldest(context, source, repository)) })
        return { source, ...own, ...(copies.length > 0 && { copies }) }
      })
    },
  }

  async function openOldest(context: RunningContext, source: string, repository: string | undefined): Promise<Oldest> {
    const { store, catalog } = await openSource(services, source, repository)
    const points = await catalog.listPoints(source)
    const readable = points.filter((point) => archiveOf(point, points) === undefined)
    const archived = points.length - readable.length
    const passed = archived > 0 ? { archived } : {}
    for (const { id } of readable) {
      const { manifest } = await catalog.readManifest(source, id)
      const encrypted = manifest.artifacts.filter(({ encryption }) => encryption === 'age')
      const [smallest] = encrypted.sort((a, b) => a.storedBytes - b.storedBytes)
      if (!smallest) continue
      context.onProgress({ phase: `open ${smallest.key}` })
      const options = { store, identityFile, headersOf: catalog.headers(), signal: context.signal }
      const looked = await openArtifact(smallest, options).catch((error: unknown) => {
        throw repository === undefined ? error : inCopy(source, repository, error)
      })
      return { point: id, part: smallest.part, looked, ...passed }
    }
    return passed
  }
}
export type KeyActivities = ReturnType<typeof createKeyActivities>

/** A rotation leaves its notes beside the points themselves, from where they have to be brought. */
function inCopy(source: string, repository: string, error: unknown): unknown {
  if (!(error instanceof HoldfastError) || error.code !== 'KEY_WRONG') return error
  return new HoldfastError('KEY_WRONG', `${error.message} in ${repository}`, {
    ...(error.object !== undefined && { object: error.object }),
    next: `with the identity of before in encryption.identityFile: holdfast rotate-keys ${source}, then holdfast copy ${source} --to ${repository}`,
    cause: error,
  })
}
