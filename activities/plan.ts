/** Everything that is decided before anybody approves: who moves where, what speaks against it, how far behind. */
import { blake3 } from '@napi-rs/blake-hash'
import type { PairPlan, SiteFacts } from '../src/contract/failover.ts'
import { bytesOf, seconds } from '../src/core/duration.ts'
import { lagOf } from '../src/failover/database/replication.ts'
import { createTraffic } from '../src/failover/traffic/index.ts'
import { type Judged, judge } from '../src/failover/judge.ts'
import { withProgress } from './context.ts'
import type { Services } from './services.ts'
import { groupOf, siteOf } from './sites.ts'

export type Facts = Record<string, SiteFacts>

export function createPlanActivities({ config }: Pick<Services, 'config'>) {
  return {
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
  }
}
