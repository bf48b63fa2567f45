/**
 * The other side of a pair while this one is restored: fenced before the data change, so that no failover brings back what
 * is being replaced, and made a standby of what was restored afterwards.
 */
import { executeChild, isCancellation, proxyActivities, workflowInfo } from '@temporalio/workflow'
import type { PairActivities } from '../../activities/pair.ts'
import type { SiteFacts, StandbyReport } from '../../src/contract/failover.ts'
import { failure, rootFailure } from './failure.ts'
import { stepsOn } from './hosts.ts'
import { lookAtAll } from './look.ts'
import { control } from './options.ts'
import type { Saga } from './saga.ts'
import type { View } from './view.ts'

const { describeGroup } = proxyActivities<PairActivities>(control)

export interface OtherSide {
  /** Right before the data change. */
  fence(): Promise<void>
  /** Once they have. What is said is a warning: the side that was restored takes writes, and has no standby. */
  follow(requestedBy: string): Promise<{ notes: string[]; warnings: string[] }>
}

interface Restoring {
  group: string
  /** Of the side that is restored. */
  host: string | undefined
  view: View
  saga: Saga
}

/** Refuses what could not be fenced later, before anything is touched. Called before the undo of the restore is registered: it is taken back after that. */
export async function lookAtOther({ group, host, view, saga }: Restoring): Promise<OtherSide> {
  const { sites } = await describeGroup({ group })
  const facts = await lookAtAll(group, sites)
  const [primary = '', site = ''] = Object.keys(sites).sort((one) => (sites[one] === host ? -1 : 1))
  const before = facts[site]
  requireAble(group, site, sites[site] ?? '', before)
  const epoch = 1 + Math.max(...Object.values(facts).map((side) => side.epoch))
  const there = stepsOn(sites[site] ?? '', { close: '10m' })
  let fenced = false
  saga.undoBy(`fence ${site}`, async () => {
    // What was down or fenced before stays so: it may be a primary of before.
    if (!fenced || before?.role !== 'standby') return
    const { apart } = await there.isApart({ group, site, primary })
    if (apart) throw failure('STANDBY_UNHEALTHY', `${primary} has left the way of ${site}, which stays fenced`, { next: again(group) })
    await there.unfence({ group, site, epoch: epoch + 1 })
  })
  return {
    async fence() {
      view.phase('fence')
      fenced = true
      await there.retireStandby.executeWithOptions({ summary: `${site}, epoch ${epoch}` }, [{ group, site, epoch }])
    },
    async follow(requestedBy) {
      view.phase('standby')
      try {
        const { method } = await executeChild<(input: unknown) => Promise<StandbyReport>>('rebuildStandby', {
          workflowId: `${workflowInfo().workflowId}/standby`,
          args: [{ group, requestedBy }],
        })
        return { notes: [`${site} streams from ${primary} again, by ${method}`], warnings: [] }
      } catch (error) {
        if (isCancellation(error)) throw error
        return { notes: [], warnings: [`${group} has no standby, ${site} stays fenced: ${rootFailure(error).message}; ${again(group)}`] }
      }
    },
  }
}

const again = (group: string): string => `holdfast rebuild-standby ${group}`

function requireAble(group: string, site: string, host: string, facts: SiteFacts | undefined): void {
  if (facts?.role === 'primary')
    throw failure('NOT_READY', `${group}: ${site} takes writes as well`, { object: site, next: 'fence one side at once' })
  if (facts?.reachable) return
  throw failure('NOT_READY', `${group}: ${site} cannot be fenced, its host does not answer: ${facts?.why ?? 'no worker'}`, {
    object: site,
    next: `start the worker with the role host:${host}; where that host is gone for good, take ${group} out of failoverGroups and give the source its dataDir and service: docs/total-loss.md`,
  })
}
