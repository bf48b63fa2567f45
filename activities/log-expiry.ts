/** The log that an engine ships with `holdfast wal-push`: what no point and no rule keeps of it, and its going. */
import { seconds } from '../src/core/duration.ts'
import { HoldfastError } from '../src/core/errors.ts'
import type { LogPlan } from '../src/core/log-expiry.ts'
import type { Held } from '../src/wal/contents.ts'
import { removeUnrecorded, removeWal } from '../src/wal/remove.ts'
import { unfitness } from './archive-expiry.ts'
import { withProgress } from './context.ts'
import { withoutOwed } from './log-owed.ts'
import { knownWith } from './log-points.ts'
import { examineLog, type LogPlace } from './logs.ts'
import type { Services } from './services.ts'

/** With a repository: the copy there, by the points of there. */
export interface LogRequest extends LogPlace {
  keep: string
}

export function createLogExpiry(services: Services) {
  return {
    /** Takes nothing away. Nothing may go where a proof failed or the source does not answer: why is in the result. */
    async planLog({ leaving, ...request }: LogRequest & { leaving: string[] }): Promise<LogPlan> {
      return withProgress(async (context) => {
        const { archive, keep, source } = request
        const nothing = { archive, keep, segments: 0, bytes: 0 }
        const known = await knownWith(services, request, leaving)
        const unwell = await unfitness(services, source, known, context)
        if (unwell !== undefined) return { ...nothing, left: unwell, unhealthy: true }
        const wish = { points: known.staying, before: stayingSince(keep), host: context.host }
        const examined = await examineLog(services, request, wish)
        if (examined.left !== undefined) return { ...nothing, left: examined.left }
        const open = await withoutOwed(services, request, examined, context.host).catch(unanswered)
        if (typeof open === 'string') return { ...nothing, left: open, unhealthy: true }
        const { go, held, needed } = open
        const bytes = filesOf(go, held).reduce((sum, { storedBytes }) => sum + storedBytes, 0)
        const [first, last] = [go[0], go.at(-1)]
        return { ...nothing, segments: go.length, bytes, ...(first && last && { first, last }), ...(needed && { needed }) }
      })
    },

    /**
     * Takes away what was planned, up to the segment `last`, oldest first. Safe to repeat: what is gone stays gone, and what no
     * plan named stays.
     */
    async removeLog({ last, ...request }: LogRequest & { last: string }): Promise<{ locked?: string }> {
      return withProgress(async (context) => {
        const { host } = context
        const [{ staying: points }, before] = [await knownWith(services, request), stayingSince(request.keep)]
        const examined = await examineLog(services, request, { points, before, host })
        const { go, held, unrecorded, store } = await withoutOwed(services, request, examined, host)
        await removeUnrecorded({ store }, unrecorded, before)
        const planned = filesOf(go.slice(0, go.indexOf(last) + 1), held)
        // Gone already, by a try before this one; or there, and needed by now.
        if (planned.length === 0 && held.some(({ name }) => name === last)) throw neededAgain(request, last)
        const onRemoved = (parts: number) => context.onProgress({ phase: `remove ${request.archive}`, parts })
        const locked = await removeWal({ archive: request.archive, store }, planned, onRemoved)
        return locked === undefined ? {} : { locked }
      })
    },
  }
}

/** A repository of copies that does not answer may lack what would go. */
function unanswered(error: unknown): string {
  if (error instanceof HoldfastError && error.code !== 'CANCELLED') return `whether its copies have it is not known: ${error.message}`
  throw error
}

function filesOf(names: readonly string[], held: readonly Held[]): Held[] {
  const byName = new Map(held.map((file) => [file.name, file]))
  return names.flatMap((name) => byName.get(name) ?? [])
}

const stayingSince = (keep: string): Date => new Date(Date.now() - seconds(keep) * 1000)

function neededAgain({ source, archive, repository }: LogRequest, last: string): HoldfastError {
  return new HoldfastError('POINT_PROTECTED', `${last} of ${archive} was to go, and by now it has to stay: nothing was removed`, {
    object: archive,
    next: `holdfast prune ${source}${repository === undefined ? '' : ` --repository ${repository}`} --dry-run`,
  })
}
