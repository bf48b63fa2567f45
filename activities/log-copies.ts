/** The log that an engine ships with `holdfast wal-push`, in the repositories that have copies of its points. */
import { copiedLogs, placesOfLog } from '../src/config/logs.ts'
import { createVerifier } from '../src/catalog/signing.ts'
import { HoldfastError } from '../src/core/errors.ts'
import { copyWal } from '../src/wal/copy.ts'
import { knownOf, type Point, together } from './archive-expiry.ts'
import { type RunningContext, withProgress } from './context.ts'
import { formerIn } from './log-points.ts'
import { type ExaminedLog, examineLog } from './logs.ts'
import { type Services, sourceOf } from './services.ts'

interface Way {
  source: string
  to: string
}

export interface LogCopied {
  archive: string
  segments: number
  bytes: number
  /** What the copy lacks after that, and why. */
  problems?: string[]
}

export function createLogCopies(services: Services) {
  const { config } = services
  return {
    /** What the points there are replayed with and is not there; nothing of an archive that goes with none of them. */
    async copyLogs({ source, to }: Way): Promise<LogCopied[]> {
      return withProgress(async (context) => {
        const done: LogCopied[] = []
        const own = await knownOf(services, source, to)
        for (const archive of copiedLogs(config, sourceOf(config, source), to)) {
          const { points } = together([own, await formerIn(services, { source, archive }, to)])
          done.push(await copyLog(services, { source, to, archive }, points, context))
        }
        return done
      })
    },
  }
}

/** From where it was shipped to; what is damaged or missing there, from its other copies. */
async function copyLog(
  services: Services,
  { source, to, archive }: Way & { archive: string },
  points: Point[],
  context: RunningContext,
): Promise<LogCopied> {
  const { signal, host } = context
  // However young, what no point needs is not brought.
  const look = (repository: string) => examineLog(services, { source, archive, repository }, { points, host })
  const verifier = createVerifier(services.config.signing.publicKeys)
  const options = { signal, onProgress: context.onProgress.bind(context), bandwidth: services.limits(to).bandwidth }
  const unsound = new Map<string, string>()
  const done: LogCopied = { archive, segments: 0, bytes: 0 }
  let there = await look(to)
  const [own, ...others] = placesOfLog(services.config, archive).filter((place) => place !== to)
  for (const place of own === undefined || there.left !== undefined ? [] : [own, ...others]) {
    const here = place === own ? await look(place) : await look(place).catch(unanswered)
    if (!here) continue
    const sent = await copyWal({ archive, store: here.store, verifier }, there.store, lackingOf(here, there), options)
    done.segments += sent.segments
    done.bytes += sent.bytes
    for (const { name, message } of sent.unsound) unsound.set(name, unsound.get(name) ?? message)
    if (sent.segments > 0) there = await look(to)
    for (const { name } of there.held) unsound.delete(name)
    if (unsound.size === 0 && !there.missing) break
  }
  const problems = problemsOf(archive, there, unsound)
  return { ...done, ...(problems.length > 0 && { problems }) }
}

function lackingOf(here: ExaminedLog, there: ExaminedLog): string[] {
  const settled = new Set([...here.go, ...there.held.map(({ name }) => name)])
  return here.held.map(({ name }) => name).filter((name) => !settled.has(name))
}

/** Another copy would have been a help, and nothing depends on it. */
function unanswered(error: unknown): undefined {
  if (!(error instanceof HoldfastError) || error.code === 'CANCELLED') throw error
}

/** Of each sort: a run's history and its record have an end. */
const MOST_NAMED = 20

function problemsOf(archive: string, { missing }: ExaminedLog, unsound: ReadonlyMap<string, string>): string[] {
  const lost = [...unsound].map(([name, message]) => `${name} of ${archive} was not copied: ${message}`)
  const gaps = missing?.gaps.map(
    ({ from, to }) => `entries ${from} to ${to} of ${archive} are missing: no moment behind them is reached from ${missing.after}`,
  )
  return [lost, gaps ?? []].flatMap((all) => [
    ...all.slice(0, MOST_NAMED),
    ...(all.length > MOST_NAMED ? [`and ${all.length - MOST_NAMED} more of ${archive}`] : []),
  ])
}
