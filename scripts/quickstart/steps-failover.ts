/** Step 7: a crash with something to lose, and a failover that another person approves. */
import { readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { WorkflowHandle } from '@temporalio/client'
import type { FailoverReport } from '../../src/contract/failover.ts'
import { approve, type RunView, viewQuery } from '../../src/contract/messages.ts'
import { until } from '../../src/process/wait.ts'
import { prepareLoad, startLoad } from './load.ts'
import { presentIds, resultOf, type Session } from './session.ts'
import { awaitWrites, missing, readLog } from './writer-log.ts'

/** Where the old site's log is put out of reach, as after a lost disk. */
export const awayFrom = (site: { dir: string }) => ({ walDir: join(site.dir, 'data', 'pg_wal'), away: join(site.dir, 'pg_wal.away') })

export async function crashAndFailOver(session: Session): Promise<string> {
  const { primary, standby, stack } = session
  const { temporal } = stack
  await prepareLoad(session)
  session.say('holding the standby back, loading the primary')
  await standby.query("alter system set primary_conninfo = 'host=127.0.0.1 port=1'")
  await standby.query('select pg_reload_conf()')
  await until(async () => (await primary.query('select 1 from pg_stat_replication')).length === 0, {
    timeoutMs: 30_000,
    what: 'the standby to fall behind',
  })
  const load = await startLoad(session)
  await awaitWrites(session.writerLog, Date.now(), 400)
  const crashedAt = await crash(session)
  session.say('the postmaster is killed; its log is out of reach')

  const handle = await stack.client.workflow.start('failover', {
    taskQueue: 'holdfast',
    workflowId: 'failover-shop',
    args: [
      {
        group: 'shop',
        mode: 'unplanned',
        reason: 'the primary died',
        requestedBy: 'quickstart',
        failedAt: new Date(crashedAt).toISOString(),
        acceptLoss: true,
      },
    ],
  })
  session.say(`failover: ${temporal.uiUrl}/namespaces/default/workflows/failover-shop`)
  await approveAs(handle, 'second-person', 'the primary is gone')
  const result = await resultOf<FailoverReport>(handle)
  await load.stop()
  session.primary = standby
  session.standby = primary
  const writesAgain = await awaitWrites(session.writerLog, Date.parse(result.firstGoodWrite.at), 100)
  const told = await readLog(session.writerLog)
  const before = await readLog(session.writerLog, 0, crashedAt + 10_000)
  const lost = missing(told.acknowledged, await presentIds(session.primary))
  session.report.failover = {
    rtoSeconds: result.rtoSeconds,
    phases: result.phases,
    acknowledged: before.acknowledged.size,
    lost: lost.length,
    reportedLost: 0,
    unknown: told.unknown.size,
    fenceProven: result.fenceProven,
  }
  return `RTO ${result.rtoSeconds.toFixed(1)} s, lost ${lost.length} acknowledged writes (${result.loss.text}), ${writesAgain} writes on the new side`
}

async function crash({ primary }: Session): Promise<number> {
  const postmaster = Number((await readFile(join(primary.config.dataDir, 'postmaster.pid'), 'utf8')).split('\n')[0])
  const { walDir, away } = awayFrom(primary)
  await rename(walDir, away)
  process.kill(postmaster, 'SIGKILL')
  return Date.now()
}

/** Waits until the run shows its plan, then approves just that plan. */
export async function approveAs(
  handle: WorkflowHandle,
  actor: string,
  reason: string,
  ready: () => Promise<unknown> = async () => true,
): Promise<void> {
  const plan = await until(
    async () => {
      const view = (await handle.query(viewQuery)) as RunView
      if (view.awaiting) throw new Error(`the run awaits an operator: ${view.awaiting.what}: ${view.awaiting.why}`)
      const { status } = await handle.describe()
      if (status.name !== 'RUNNING') await handle.result()
      return view.phase === 'approval' ? view.plan : false
    },
    { timeoutMs: 600_000, everyMs: 150, what: 'the plan to approve' },
  )
  await ready()
  await handle.executeUpdate(approve, { args: [{ actor, reason, planHash: plan.hash }] })
}
