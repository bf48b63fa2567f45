/** Recovery sets: who is in one, where each stood at the barrier, and the record of what was taken. */
import { createHash } from 'node:crypto'
import { setId } from '../src/catalog/sets.ts'
import { repositoriesOf } from '../src/config/copies.ts'
import { named } from '../src/config/named.ts'
import type { Config } from '../src/config/schema.ts'
import { HoldfastError, messageOf } from '../src/core/errors.ts'
import type { Assertion, Manifest } from '../src/core/records.ts'
import { BESIDE, inOrder, judgeCheck, type SetMember, type SetRecord } from '../src/core/sets.ts'
import { withProgress } from './context.ts'
import { inTime } from './in-time.ts'
import { currentHost, hostToRestore } from './placement.ts'
import { type Services, sourceOf } from './services.ts'

export interface PlannedMember {
  name: string
  required: boolean
  after: string[]
  host?: string
  /** The moment that a recovery of the set brings it to, where that is not what its point has. */
  to?: string
}

export interface SetPlan {
  /** In the order of a restore. */
  members: PlannedMember[]
  parallel: number
}

/** What a run says of a member once its backup has ended. */
export type Taken = Pick<SetMember, 'source' | 'barrier' | 'id' | 'problem'>

/** `unread`: why a newer set than the newest that was found may be somewhere. */
export type FoundSet = SetRecord & { unread?: string[] }

export function createSetActivities(services: Services) {
  const { config } = services
  return {
    /** `restored`: over what is there; an outage of a pair is no reason not to plan it. */
    async planSet({ set, restored }: { set: string; restored?: boolean }): Promise<SetPlan> {
      const members = membersOf(config, set)
      const placed = members.map(async ({ name, required, after }) => {
        const host = await (restored ? hostToRestore : currentHost)(config, name)
        // Its archive has what came after the set, and after a loss that is what nobody has elsewhere.
        const archived = sourceOf(config, name).driver === 'postgres-physical'
        return { name, required, after, ...(host !== undefined && { host }), ...(archived && { to: 'latest' }) }
      })
      return { members: await Promise.all(placed), parallel: setOf(config, set).parallel }
    },

    /** Where the source stands now. What it holds at this moment is in every point that is captured later. */
    async markBarrier({ source, label }: { source: string; label: string }): Promise<Record<string, string>> {
      return withProgress(async (context) => {
        const driver = await services.driver(source)
        return { time: new Date().toISOString(), ...(await driver.mark?.(context, label)) }
      })
    },

    /** Writes the record into every repository that has a point of the set, and gives back what was recorded. */
    async recordSet(input: {
      set: string
      at: string
      taken: Taken[]
      workflowId: string
      runId: string
    }): Promise<{ id: string; complete: boolean; checks: Assertion[] }> {
      const { set, at, taken, workflowId, runId } = input
      const points = new Map<string, Manifest>()
      for (const { source, id } of taken) {
        if (id === undefined) continue
        const catalog = await services.catalog(sourceOf(config, source).repository)
        points.set(source, (await catalog.readManifest(source, id)).manifest)
      }
      const members = membersOf(config, set).map(({ name, required, after }): SetMember => {
        const found = taken.find(({ source }) => source === name)
        const { repository } = sourceOf(config, name)
        return { barrier: {}, ...found, source: name, repository, required, after }
      })
      const record: SetRecord = {
        format: 'holdfast/v1',
        type: 'set',
        set,
        id: setId(set, new Date(at)),
        createdAt: at,
        completedAt: new Date().toISOString(),
        complete: members.every(({ required, id }) => !required || id !== undefined),
        members,
        checks: setOf(config, set).checks.map((check) => judgeCheck(check, points)),
        workflowId,
        runId,
      }
      for (const repository of new Set(members.map((member) => member.repository)))
        await (await services.catalog(repository)).publishSet(record)
      return { id: record.id, complete: record.complete, checks: record.checks }
    },

    /** What a restore over the live system of this source would replace, or that it would replace nothing. */
    async fingerprintOf({ source }: { source: string }): Promise<string> {
      return withProgress(async ({ host }) => (await services.driver(source, host)).live?.fingerprint() ?? BESIDE)
    },

    /** What a person repeats who has looked at all targets. */
    async confirmationOf({ recoverySet, targets }: { recoverySet: string; targets: { source: string; fingerprint: string }[] }) {
      const said = JSON.stringify([recoverySet, targets.map(({ source, fingerprint }) => [source, fingerprint])])
      return { digest: createHash('sha256').update(said).digest('hex').slice(0, 16) }
    },

    /** The newest complete set of that name, or the one of that id, from whichever repository has it. */
    async findSet({ set, recoverySet }: { set: string; recoverySet?: string }): Promise<FoundSet> {
      const places = membersOf(config, set).map(({ name }) => repositoriesOf(sourceOf(config, name)))
      // Of one record, that of a source before that of a copy.
      const repositories = [...new Set([...places.flatMap(([own]) => own ?? []), ...places.flat()])]
      const listed = async (repository: string) => (await services.catalog(repository)).listSets(set)
      const answers = await Promise.allSettled(repositories.map((repository) => inTime(listed(repository), repository)))
      const failures: unknown[] = []
      const unread: string[] = []
      const records = answers.flatMap((answer, index) => {
        if (answer.status === 'fulfilled') return answer.value
        failures.push(answer.reason)
        unread.push(`the repository ${repositories[index]} was not read, and may have a newer set: ${messageOf(answer.reason)}`)
        return []
      })
      if (recoverySet !== undefined) {
        const named = records.find(({ id }) => id === recoverySet)
        if (named) return named
      }
      const newest = records.filter(({ complete }) => complete).sort((a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt))[0]
      if (recoverySet === undefined && newest) return { ...newest, ...(unread.length > 0 && { unread }) }
      if (failures.length > 0) throw failures[0]
      throw new HoldfastError('NOT_FOUND', `there is no ${recoverySet ?? 'complete'} recovery set of ${set}`, {
        object: recoverySet ?? set,
        next: `holdfast sets ${set}`,
      })
    },
  }
}
export type SetActivities = ReturnType<typeof createSetActivities>

const setOf = (config: Config, set: string) => named('set', config.sets, set)

/** In the order of a restore. */
export function membersOf(config: Config, set: string): { name: string; required: boolean; after: string[] }[] {
  const { sources, order } = setOf(config, set)
  const members = sources.map((one) => (typeof one === 'string' ? { name: one, required: true, after: [] as string[] } : one))
  if (order === 'dependency') return inOrder(members)
  return members.map((one, index) => ({ ...one, after: members.slice(Math.max(0, index - 1), index).map(({ name }) => name) }))
}
