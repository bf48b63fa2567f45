/** Steps of a failover that need the network only: the plan, traffic, the first good write, the fence by command. */
import { blake3 } from '@napi-rs/blake-hash'
import type { FenceSummary, GoodWrite, PairPlan, SiteFacts, TrafficSummary } from '../src/contract/failover.ts'
import { bytesOf, seconds } from '../src/core/duration.ts'
import { HoldfastError } from '../src/core/errors.ts'
import { parseConnection } from '../src/drivers/postgres-common/connect.ts'
import { runChecks } from '../src/failover/checks/index.ts'
import { writeCanary } from '../src/failover/database/canary.ts'
import { lagOf } from '../src/failover/database/replication.ts'
import { connectionOf } from '../src/failover/database/site.ts'
import { commandFence } from '../src/failover/fences/command.ts'
import { createTraffic } from '../src/failover/traffic/index.ts'
import { judge, type Judged } from '../src/failover/judge.ts'
import { withProgress } from './context.ts'
import type { Services } from './services.ts'
import { groupOf, siteOf } from './sites.ts'

export type Facts = Record<string, SiteFacts>

export function createPairActivities({ config }: Services) {
  return {
    async describeGroup({ group }: { group: string }) {
      const found = groupOf(config, group)
      return {
        source: found.source,
        slot: found.database.slot,
        primary: found.primary,
        sites: Object.fromEntries(Object.entries(found.sites).map(([name, site]) => [name, site.host])),
      }
    },

    /** Everything that is decided before anybody approves: who moves where, what speaks against it, how far behind. */
    async planSwitch({
      group,
      mode,
      facts,
    }: {
      group: string
      mode: 'planned' | 'unplanned' | 'failback'
      facts: Facts
    }): Promise<PairPlan> {
      return withProgress(async ({ signal }) => {
        const found = groupOf(config, group)
        const judged: Judged = judge({ group, mode, home: found.primary, facts })
        const { from, to } = judged
        const lag = await lagOf(
          facts[from]?.role === 'primary' ? await siteOf(found, from, signal) : undefined,
          await siteOf(found, to, signal),
        )
        const drained = facts[from]?.reachable === true && facts[from]?.walReadable === true && facts[from]?.role === 'down'
        const text = lag.known
          ? `${lag.bytes ?? 0} bytes of WAL behind`
          : drained
            ? 'the old side is down and its WAL can be read: it is drained first'
            : `lag unknown: ${lag.why ?? 'no answer'}`
        const known = lag.known || drained
        const findings = [...judged.findings]
        if (mode === 'planned' && !lag.streaming)
          findings.push({ name: 'standby streams', ok: false, blocks: true, detail: `${to} does not stream from ${from}` })
        for (const traffic of found.traffic) {
          const broken = (await (await createTraffic(traffic)).precheck({ signal })).filter((finding) => !finding.ok)
          for (const finding of broken)
            findings.push({ name: `traffic: ${finding.name}`, ok: false, blocks: false, detail: finding.detail })
        }
        const plan: Omit<PairPlan, 'hash'> = {
          group,
          from,
          to,
          fromHost: found.sites[from]?.host ?? '',
          toHost: found.sites[to]?.host ?? '',
          epoch: judged.epoch,
          ...(found.source !== undefined && { source: found.source }),
          fromReachable: facts[from]?.reachable ?? false,
          fromRunning: facts[from]?.running ?? false,
          lag: {
            known,
            text,
            ...(lag.bytes !== undefined ? { bytes: lag.bytes } : drained && { bytes: 0 }),
            ...(lag.receivedLsn && { receivedLsn: lag.receivedLsn }),
            ...(lag.replayedLsn && { replayedLsn: lag.replayedLsn }),
            ...(lag.primaryLsn && { primaryLsn: lag.primaryLsn }),
          },
          maxLagBytes: bytesOf(found.maxLag),
          findings,
          text: [
            `fence ${from}`,
            `drain what ${from} archived`,
            `promote ${to}`,
            ...found.traffic.map((t) => `${t.record} to ${to}`),
            text,
            ...findings.filter((f) => !f.ok).map((f) => `${f.name}: ${f.detail}`),
          ],
          approvals: { count: found.approvals.count, withinMs: seconds(found.approvals.within) * 1000 },
        }
        return {
          ...plan,
          hash: blake3(Buffer.from(JSON.stringify(plan)))
            .toString('hex')
            .slice(0, 12),
        }
      })
    },

    async updateDns({ group, to }: { group: string; to: string }): Promise<TrafficSummary> {
      return withProgress(async ({ signal }) => {
        const found = groupOf(config, group)
        const summary: TrafficSummary = { changed: false, confirmedBy: [], oldTtlSeconds: 0, previous: [] }
        for (const traffic of found.traffic) {
          const report = await (await createTraffic(traffic)).move({ site: to, address: found.sites[to]?.address ?? '' }, { signal })
          summary.changed ||= report.changed
          summary.confirmedBy.push(...report.confirmedBy)
          summary.previous.push(report.previous)
          summary.oldTtlSeconds = Math.max(summary.oldTtlSeconds, ...report.previous.sets.map((set) => set.ttl ?? 0))
        }
        return summary
      })
    },

    /** A write that committed on the new primary, and every check of the group. */
    async firstGoodWrite({ group, site, epoch }: { group: string; site: string; epoch: number }): Promise<GoodWrite> {
      return withProgress(async ({ signal }) => {
        const found = groupOf(config, group)
        const place = await siteOf(found, site, signal)
        const { at } = await writeCanary(place, { epoch, note: 'first good write' })
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
        const fence = groupOf(config, group).fence.find((one) => one.type === 'command')
        if (fence?.type !== 'command') {
          throw new HoldfastError('FENCE_UNPROVEN', `The host of ${site} does not answer and the group has no command fence`, {
            object: site,
            next: 'make sure by hand that the host accepts no writes, then attestFenced with two persons',
          })
        }
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
  }
}
export type PairActivities = ReturnType<typeof createPairActivities>
