/** The log that an engine ships with `holdfast wal-push`, in the repositories that have copies of its points. */
import { copiedLogs } from '../src/config/logs.ts'
import { createVerifier } from '../src/catalog/signing.ts'
import { heldIn } from '../src/wal/contents.ts'
import { copyWal } from '../src/wal/copy.ts'
import { knownOf, type Point } from './archive-expiry.ts'
import { type RunningContext, withProgress } from './context.ts'
import { EVER, examineLog } from './logs.ts'
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
        const { points } = await knownOf(services, source, to)
        for (const archive of copiedLogs(config, sourceOf(config, source), to))
          done.push(await copyLog(services, { source, to, archive }, points, context))
        return done
      })
    },
  }
}

async function copyLog(
  services: Services,
  { source, to, archive }: Way & { archive: string },
  points: Point[],
  context: RunningContext,
): Promise<LogCopied> {
  const { signal, host } = context
  // However young, what no point needs is not brought.
  const { held, go, left, store } = await examineLog(services, { source, archive }, { points, before: EVER, host })
  if (left !== undefined) return { archive, segments: 0, bytes: 0 }
  const there = await services.store(to)
  const present = (await heldIn({ archive, store: there })).held.map(({ name }) => name)
  const settled = new Set([...go, ...present])
  const missing = held.map(({ name }) => name).filter((name) => !settled.has(name))
  const onProgress = context.onProgress.bind(context)
  const { bandwidth } = services.limits(to)
  const verifier = createVerifier(services.config.signing.publicKeys)
  return { archive, ...(await copyWal({ archive, store, verifier }, there, missing, { signal, onProgress, bandwidth })) }
}
