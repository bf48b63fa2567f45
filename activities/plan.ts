/** Everything that is decided before anybody approves: who moves where, what speaks against it, how far behind. */
import { blake3 } from '@napi-rs/blake-hash'
import type { TrafficConfig } from '../src/config/schema.ts'
import type { PairMode, PairPlan, SiteFacts } from '../src/contract/failover.ts'
import { bytesOf, seconds } from '../src/core/duration.ts'
import { messageOf } from '../src/core/errors.ts'
import { type Lag, lagOf } from '../src/failover/database/replication.ts'
import { createTraffic, type RecordState } from '../src/failover/traffic/index.ts'
import { type Judged, judge } from '../src/failover/judge.ts'
import { archiveOf } from './archive.ts'
import { withProgress } from './context.ts'
import type { Services } from './services.ts'
import { groupOf, siteOf } from './sites.ts'

export type Facts = Record<string, SiteFacts>

export function createPlanActivities({ config }: Pick<Services, 'config'>) {
  return {
    /** Everything that is decided before anybody approves: who moves where, what speaks against it, how far behind. */
    async planSwitch({ group, mode, facts }: { group: string; mode: PairMode; facts: Facts }): Promise<PairPlan> {
      return withProgress(async ({ signal }) => {
        const found = groupOf(config, group)
        const judged: Judged = judge({ group, mode, home: found.primary, facts })
        const { from, to } = judged
        const old = await siteOf(found, from, signal)
        const lag = await lagOf(facts[from]?.role === 'primary' ? old : undefined, await siteOf(found, to, signal))
        const shown = showLag(lag, facts, judged, archiveOf(config, found, old) !== undefined)
        const findings = [...judged.findings]
        if ((mode === 'planned' || mode === 'rebuild') && !lag.streaming)
          findings.push({ name: 'standby streams', ok: false, blocks: true, detail: `${to} does not stream from ${from}` })
        // A rebuild moves nobody: a name server that is down is no reason to touch a standby that streams.
        const moved = mode === 'rebuild' ? [] : found.traffic
        const traffic = await Promise.all(moved.map((one) => lookAtTraffic(one, signal)))
        findings.push(...traffic.flatMap((one) => one.findings))
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
          lag: shown,
          traffic: traffic.map((one) => one.state),
          maxLagBytes: bytesOf(found.maxLag),
          findings,
          text: [
            `fence ${from}`,
            `drain what ${from} archived`,
            `promote ${to}`,
            ...found.traffic.map((t) => `${t.record} to ${to}`),
            shown.text,
            ...findings.filter((f) => !f.ok).map((f) => `${f.name}: ${f.detail}`),
          ],
          ...(found.objectives && { rtoObjectiveSeconds: seconds(found.objectives.rto) }),
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

/**
 * A primary that is down is no lag where its log can be read, an archive takes it and the standby is of its timeline: it
 * is drained before anybody is promoted, and the run waits for an operator where the standby does not get there.
 */
function showLag(lag: Lag, facts: Facts, { from, to }: Judged, archived: boolean): PairPlan['lag'] {
  const { receivedLsn, replayedLsn, primaryLsn } = lag
  const at = { ...(receivedLsn && { receivedLsn }), ...(replayedLsn && { replayedLsn }), ...(primaryLsn && { primaryLsn }) }
  if (lag.known) return { ...at, known: true, bytes: lag.bytes ?? 0, text: `${lag.bytes ?? 0} bytes of WAL behind` }
  const [old, standby] = [facts[from], facts[to]]
  const drainable = archived && old?.reachable && old.walReadable && old.role === 'down'
  if (drainable && standby?.role === 'standby' && standby.timeline === old.timeline)
    return { ...at, known: true, text: 'the old side is down and its WAL can be read: it is drained first' }
  return { ...at, known: false, text: `lag unknown: ${lag.why ?? 'no answer'}` }
}

/** A name server that is down must not hold back the fence: it is a finding, and the record is looked at again when it moves. */
async function lookAtTraffic(
  config: TrafficConfig,
  signal: AbortSignal,
): Promise<{ state: RecordState | null; findings: PairPlan['findings'] }> {
  const finding = (name: string, detail: string) => ({ name: `traffic: ${name}`, ok: false, blocks: false, detail })
  try {
    const traffic = await createTraffic(config)
    const broken = (await traffic.precheck({ signal })).filter(({ ok }) => !ok)
    return { state: await traffic.current({ signal }), findings: broken.map(({ name, detail }) => finding(name, detail)) }
  } catch (error) {
    return { state: null, findings: [finding(config.record, messageOf(error))] }
  }
}
