/** The log that an engine ships with `holdfast wal-push`, in the repositories that have copies of its points. */
import { archivesOf, copiedLogs } from '../src/config/logs.ts'
import { createVerifier } from '../src/catalog/signing.ts'
import { HoldfastError } from '../src/core/errors.ts'
import { heldIn } from '../src/wal/contents.ts'
import { copyWal } from '../src/wal/copy.ts'
import { pointsOf } from './archive-expiry.ts'
import { type RunningContext, withProgress } from './context.ts'
import { type Services, sourceOf } from './services.ts'

interface Way {
  source: string
  to: string
}

export interface LogCopied {
  archive: string
  segments: number
  bytes: number
}

export function createLogCopies(services: Services) {
  const { config } = services
  return {
    /** What the points there are replayed with and is not there; nothing of an archive that goes with none of them. */
    async copyLogs({ source, to }: Way): Promise<LogCopied[]> {
      return withProgress(async (context) => {
        const done: LogCopied[] = []
        const points = (await pointsOf(services, source, to)).map(({ manifest }) => manifest)
        for (const archive of copiedLogs(config, sourceOf(config, source), to))
          done.push(await copyLog(services, { source, to, archive }, points, context))
        return done
      })
    },
  }
}

type Points = Awaited<ReturnType<typeof pointsOf>>[number]['manifest'][]

async function copyLog(
  services: Services,
  { source, to, archive }: Way & { archive: string },
  points: Points,
  context: RunningContext,
): Promise<LogCopied> {
  const { config } = services
  const driver = await services.repositoryDriver(source, context.host)
  const repository = config.archives[archive]?.repository
  if (!driver.planLog || repository === undefined)
    throw new HoldfastError(
      'NOT_FOUND',
      `${source} has no log "${archive}"; it has ${archivesOf(sourceOf(config, source)).join(', ') || 'none'}`,
      {
        object: archive,
        next: 'give all workers the same holdfast.yaml',
      },
    )
  const [from, there] = [await services.store(repository), await services.store(to)]
  const { held } = await heldIn({ archive, store: from })
  const unneeded = new Set(driver.planLog({ archive, held, points, before: EVER }).go)
  const present = new Set((await heldIn({ archive, store: there })).held.map(({ name }) => name))
  const missing = held.map(({ name }) => name).filter((name) => !unneeded.has(name) && !present.has(name))
  const { signal } = context
  const onProgress = context.onProgress.bind(context)
  const { bandwidth } = services.limits(to)
  const verifier = createVerifier(config.signing.publicKeys)
  return { archive, ...(await copyWal({ archive, store: from, verifier }, there, missing, { signal, onProgress, bandwidth })) }
}

/** Later than everything: however young, what no point needs is not brought. */
const EVER = new Date(8.64e15)
