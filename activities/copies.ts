/** Copies of recovery points in other repositories of the configuration. */
import type { Copied } from '../src/catalog/copy.ts'
import { type CopyTarget, copiesOf } from '../src/config/copies.ts'
import { copiedLogs } from '../src/config/logs.ts'
import { retentionRules } from '../src/config/retention-rules.ts'
import { chooseCopies, type CopyChoice } from '../src/core/copies.ts'
import { HoldfastError } from '../src/core/errors.ts'
import { withProgress } from './context.ts'
import { createLogCopies } from './log-copies.ts'
import { openSource, type Services, sourceOf } from './services.ts'
import { chooseThawed, type Frozen } from './thawed-copies.ts'

interface Way {
  source: string
  to: string
}

type PlannedCopies = CopyChoice & {
  unproved: string[]
  /** In an archive of the repository that they come from. */
  frozen?: Frozen[]
}

/** More wait for the next run: each is a few events in the history of this one. */
const MOST = 500
/** What no run has touched for so long nobody comes back for: there is one at a time. */
const FORGOTTEN_MS = 24 * 3600 * 1000

/** `log` where that of its engine goes there as well. */
type Target = Pick<CopyTarget, 'to' | 'verify'> & { log?: true }

export function createCopyActivities(services: Services) {
  const { config } = services
  const targetOf = ({ source, to }: Way): CopyTarget => {
    const targets = copiesOf(sourceOf(config, source))
    const found = targets.find((target) => target.to === to)
    if (found) return found
    const names = targets.map((target) => target.to).join(', ')
    throw new HoldfastError('INPUT_INVALID', `${source} has no copies in "${to}"; it has them in ${names || 'no repository'}`, {
      object: to,
      next: names ? `name one of ${names}` : `add copies to sources.${source} in holdfast.yaml`,
    })
  }
  const from = (source: string) => services.catalog(sourceOf(config, source).repository)
  return {
    ...createLogCopies(services),

    /** The repositories that copies go to: that one, or all of the source. Throws INPUT_INVALID where there is none. */
    async copyTargets({ source, to }: { source: string; to?: string }): Promise<{ targets: Target[] }> {
      const targets = to === undefined ? copiesOf(sourceOf(config, source)) : [targetOf({ source, to })]
      if (targets.length === 0) targetOf({ source, to: '' })
      const hasLog = (to: string) => copiedLogs(config, sourceOf(config, source), to).length > 0
      return { targets: targets.map((target) => ({ to: target.to, verify: target.verify, ...(hasLog(target.to) && { log: true }) })) }
    },

    /** What is selected and is not there; with what is there and nobody has looked at, and, with `thaw`, what has to be thawed first. */
    async planCopies({ source, to, thaw = false }: Way & { thaw?: boolean }): Promise<PlannedCopies> {
      return withProgress(async ({ signal }) => {
        const { kinds, newest } = targetOf({ source, to })
        const rules = retentionRules(sourceOf(config, source), to)
        const { store, catalog } = await openSource(services, source)
        const [here, there] = [await catalog.listPoints(source), await (await services.catalog(to)).listPoints(source)]
        const now = new Date()
        const choose = (thawed?: ReadonlySet<string>) => chooseCopies(here, there, { kinds, newest, rules, most: MOST, thawed }, now)
        const { choice, frozen } = thaw
          ? await chooseThawed({ source, store, catalog, here, signal }, choose)
          : { choice: choose(), frozen: [] }
        const states = await catalog.compareCopies(await services.store(to), source)
        const unproved = states.flatMap(({ id, looked }) => (looked || choice.points.some((point) => point.id === id) ? [] : [id]))
        return { ...choice, unproved: unproved.slice(0, MOST), ...(frozen.length > 0 && { frozen }) }
      })
    },

    /** What was said of points since their copies were made, and the sets that name them. */
    async bringNotes({ source, to }: Way): Promise<{ problems: string[] }> {
      return withProgress(async () => ({ problems: await (await from(source)).bringNotes(await services.store(to), source) }))
    },

    async copyPoint({ source, to, id, again = false }: Way & { id: string; again?: boolean }): Promise<Copied> {
      return withProgress(async (context) => {
        const { signal } = context
        const onProgress = context.onProgress.bind(context)
        const { bandwidth } = services.limits(to)
        const stillWanted = () => context.requireCurrent()
        return (await from(source)).copyPoint(await services.store(to), source, id, { signal, onProgress, bandwidth, again, stillWanted })
      })
    },

    /** Removes what copies left there that were begun and never came to their manifest. */
    async sweepCopies({ source, to }: Way): Promise<{ removed: number }> {
      return withProgress(async () => {
        const catalog = await services.catalog(to)
        const { deleted } = await catalog.sweepOrphans(source, { olderThan: new Date(Date.now() - FORGOTTEN_MS), inUse: [] })
        return { removed: deleted.length }
      })
    },
  }
}
export type CopyActivities = ReturnType<typeof createCopyActivities>
