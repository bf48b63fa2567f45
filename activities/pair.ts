/** Steps of a failover that need the network only: the plan, traffic, the first good write, the fence by command. */
import type { CommandFenceConfig } from '../src/config/schema.ts'
import type { FenceSummary, GoodWrite, TrafficSummary } from '../src/contract/failover.ts'
import { HoldfastError } from '../src/core/errors.ts'
import { parseConnection } from '../src/drivers/postgres-common/connect.ts'
import { runChecks } from '../src/failover/checks/index.ts'
import { writeAsClients } from '../src/failover/database/canary.ts'
import { connectionOf } from '../src/failover/database/site.ts'
import { commandFence, releaseCommandFence } from '../src/failover/fences/command.ts'
import { createTraffic, type RecordState } from '../src/failover/traffic/index.ts'
import { withProgress } from './context.ts'
import { createPlanActivities } from './plan.ts'
import type { Services } from './services.ts'
import { groupOf, siteOf } from './sites.ts'

export function createPairActivities(services: Services) {
  const { config } = services
  return {
    ...createPlanActivities(services),
    async describeGroup({ group }: { group: string }) {
      const found = groupOf(config, group)
      return {
        source: found.source,
        /** All that follow the primary: none of them is backed up while it moves. */
        sources: Object.entries(config.sources).flatMap(([name, source]) =>
          name === found.source || ('group' in source && source.group === group) ? [name] : [],
        ),
        slot: found.database.slot,
        primary: found.primary,
        sites: Object.fromEntries(Object.entries(found.sites).map(([name, site]) => [name, site.host])),
      }
    },

    /** From what the plan saw and from nothing else: a record that somebody changed meanwhile is left alone. */
    async updateDns({ group, to, previous }: { group: string; to: string; previous: unknown[] }): Promise<TrafficSummary> {
      return withProgress(async ({ signal }) => {
        const found = groupOf(config, group)
        const summary: TrafficSummary = { changed: false, confirmedBy: [], oldAnswersUntil: '', previous: [] }
        for (const [index, traffic] of found.traffic.entries()) {
          const before = previous[index] as RecordState | null
          const destination = { site: to, address: found.sites[to]?.address ?? '' }
          const report = await (await createTraffic(traffic)).move(destination, { signal, ...(before && { previous: before }) })
          summary.changed ||= report.changed
          summary.confirmedBy.push(...report.confirmedBy)
          summary.previous.push(report.previous)
          summary.oldAnswersUntil = [summary.oldAnswersUntil, report.oldAnswersUntil].sort().at(-1) ?? ''
        }
        return summary
      })
    },

    /** A write that committed on the new primary, and every check of the group. */
    async firstGoodWrite({ group, site, epoch }: { group: string; site: string; epoch: number }): Promise<GoodWrite> {
      return withProgress(async ({ signal }) => {
        const found = groupOf(config, group)
        const place = await siteOf(found, site, signal)
        const { at } = await writeAsClients(place, { epoch, note: 'first good write' })
        const { host, port, user, password, dbname } = parseConnection(connectionOf(place))
        const checks = await runChecks(found.checks, { connection: { host, port: Number(port), user, password, database: dbname } }, signal)
        const failed = checks.filter((check) => !check.ok)
        if (failed.length > 0)
          throw new HoldfastError('CHECK_FAILED', failed.map((check) => `${check.name}: ${check.detail}`).join('; '), { object: group })
        return { at, site, checks: checks.map(({ name, ok, detail }) => ({ name, ok, detail })) }
      })
    },

    /** For a host that does not answer: powered off or isolated by a command whose read-back proves it. */
    async fenceByCommand({ group, site }: { group: string; site: string }): Promise<FenceSummary> {
      return withProgress(async ({ signal }) => {
        const fence = commandFor(config, group, site)
        if (!fence)
          throw new HoldfastError(
            'FENCE_UNPROVEN',
            `The host of ${site} does not answer and the group has no command that fences ${site}`,
            {
              object: site,
              next: 'make sure by hand that the host accepts no writes, then attestFenced with two persons',
            },
          )
        const started = Date.now()
        await commandFence({ ...fence, signal })
        return {
          proved: true,
          how: 'command',
          clean: false,
          killed: 0,
          preparedTransactions: [],
          seconds: { command: (Date.now() - started) / 1000 },
        }
      })
    },

    /** Takes that back. Throws FENCE_UNPROVEN where the configuration does not say how: then a person has to. */
    async releaseFence({ group, site }: { group: string; site: string }): Promise<void> {
      await withProgress(async ({ signal }) => {
        const fence = commandFor(config, group, site)
        if (!fence) return
        if (!fence.release)
          throw new HoldfastError('FENCE_UNPROVEN', `the host of ${site} may be isolated still: its fence has no release command`, {
            object: site,
            next: `undo by hand what ${fence.isolate[0]} did`,
          })
        await releaseCommandFence({ ...fence, signal })
      })
    },
  }
}

/** What was written for this very site: fencing the other one would isolate the healthy side and prove nothing. */
function commandFor(config: Services['config'], group: string, site: string) {
  return groupOf(config, group).fence.find((one) => one.type === 'command' && one.site === site) as CommandFenceConfig | undefined
}

export type PairActivities = ReturnType<typeof createPairActivities>
