/**
 * The other side of a pair while this one is restored: fenced before the data change, so that no failover brings back what
 * is being replaced, and made a standby of what was restored afterwards.
 */
import { executeChild, isCancellation, proxyActivities, workflowInfo } from '@temporalio/workflow'
import type { PairActivities } from '../../activities/pair.ts'
import type { SiteFacts, StandbyReport } from '../../src/contract/failover.ts'
import { failure, rootFailure } from './failure.ts'
import { stepsOn } from './hosts.ts'
import { lookAtAll, planFor } from './look.ts'
import { control } from './options.ts'
import type { Saga } from './saga.ts'
import type { View } from './view.ts'

const { describeGroup } = proxyActivities<PairActivities>(control)

export interface OtherSide {
  /** Right before the data change. */
  fence(): Promise<void>
  /** They have: from here on nobody may go on with what this side has. */
  swapped(): void
  /** What is said is a warning: the side that was restored takes writes all the same. */
  follow(requestedBy: string): Promise<{ notes: string[]; warnings: string[] }>
}

interface Restoring {
  group: string
  /** Of the side that is restored. */
  host: string | undefined
  view: View
  saga: Saga
}

/** How far the other side is: from `fenced` on the data may have changed. */
type Stage = 'serves' | 'fencing' | 'fenced' | 'swapped'

/**
 * Refuses what could not be fenced later, and what would lose what nobody else has, before anything is touched. Called before
 * the undo of the restore is registered: it is taken back after that.
 */
export async function lookAtOther({ group, host, view, saga }: Restoring): Promise<OtherSide> {
  const { sites } = await describeGroup({ group })
  const facts = await lookAtAll(group, sites)
  const [primary = '', site = ''] = Object.keys(sites).sort((one) => (sites[one] === host ? -1 : 1))
  requireAble({ group, primary, site, host: sites[site] ?? '' }, facts)
  const streamed = facts[primary]?.role === 'primary' && (await streams(group, sites))
  const epoch = 1 + Math.max(...Object.values(facts).map((side) => side.epoch))
  const there = stepsOn(sites[site] ?? '', { close: '10m' })
  let stage: Stage = 'serves'
  saga.undoBy(`fence ${site}`, async () => {
    // What was down or fenced before stays so: it may be a primary of before.
    if (facts[site]?.role !== 'standby' || stage === 'serves' || stage === 'swapped') return
    if (stage === 'fenced') await requireTogether(() => there.isApart({ group, site, primary }), { group, primary, site })
    await there.unfence({ group, site, epoch: epoch + 1 })
  })
  return {
    async fence() {
      view.phase('fence')
      stage = 'fencing'
      await there.retireStandby.executeWithOptions({ summary: `${site}, epoch ${epoch}` }, [{ group, site, epoch }])
      stage = 'fenced'
    },
    swapped() {
      stage = 'swapped'
    },
    async follow(requestedBy) {
      view.phase('standby')
      try {
        const report = await executeChild<(input: unknown) => Promise<StandbyReport>>('rebuildStandby', {
          workflowId: `${workflowInfo().workflowId}/standby`,
          args: [{ group, requestedBy, streamed }],
        })
        return { notes: [`${site} streams from ${primary} again, by ${report.method}`], warnings: ownOf(report) }
      } catch (error) {
        if (isCancellation(error)) throw error
        return { notes: [], warnings: [`${group} has no standby, ${site} stays fenced: ${rootFailure(error).message}; ${again(group)}`] }
      }
    },
  }
}

const again = (group: string): string => `holdfast rebuild-standby ${group}`

async function streams(group: string, sites: Record<string, string>): Promise<boolean> {
  const { findings } = await planFor(group, sites, 'rebuild')
  return findings.every(({ ok }) => ok)
}

/** What only the other side had, as a primary of before. */
function ownOf({ standby, lost, kept }: StandbyReport): string[] {
  return [
    ...(lost.transactions > 0 ? [`${lost.transactions} transactions existed only on ${standby}: ${lost.exported.join(', ')}`] : []),
    ...(lost.known ? [] : [`what existed only on ${standby} is not known: ${lost.why}`]),
    ...(kept === undefined ? [] : [`the old data of ${standby} stays in ${kept}`]),
  ]
}

type Sides = Record<'group' | 'primary' | 'site', string>

/** Throws where the data have changed, and where nobody can tell. */
async function requireTogether(look: () => Promise<{ apart: boolean }>, { group, primary, site }: Sides): Promise<void> {
  const { apart } = await look().catch((error: unknown) => {
    throw failure(
      'STANDBY_UNHEALTHY',
      `${site} stays fenced: whether ${primary} was replaced is not known: ${rootFailure(error).message}`,
      {
        next: `once ${primary} takes writes: ${again(group)}; where it is gone for good, docs/pair.md says how ${site} takes its place`,
      },
    )
  })
  if (apart) throw failure('STANDBY_UNHEALTHY', `${primary} was replaced, and ${site} stays fenced`, { next: again(group) })
}

function requireAble({ group, primary, site, host }: Sides & { host: string }, facts: Record<string, SiteFacts>): void {
  const other = facts[site]
  const refuse = (why: string, next: string) => failure('NOT_READY', `${group}: ${why}`, { object: site, next })
  if (other?.role === 'primary') throw refuse(`${site} takes writes as well`, 'fence one side at once')
  if (!other?.reachable)
    throw refuse(
      `${site} cannot be fenced, its host does not answer: ${other?.why ?? 'no worker'}`,
      `start the worker with the role host:${host}; where that host is gone for good, take ${group} out of failoverGroups and give the source its dataDir and service: docs/total-loss.md`,
    )
  if (facts[primary]?.role === 'primary' || !(other.running || other.walReadable)) return
  throw refuse(
    `${primary} takes no writes, and ${site} may have what no archive has`,
    `holdfast failover ${group}, and restore over ${site} then; where nobody wants what ${site} has, stop it and move its data directory away`,
  )
}
