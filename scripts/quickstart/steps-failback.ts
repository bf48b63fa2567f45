/** Step 8: the old site's data is back; what only it has is counted and exported, then it becomes the primary again. */
import { rename } from 'node:fs/promises'
import type { FailbackReport } from '../../src/contract/failover.ts'
import { awaitStreaming } from '../toolbox/pair.ts'
import { presentIds, resultOf, type Session } from './session.ts'
import { approveAs, awayFrom } from './steps-failover.ts'
import { awaitWrites, missing, readLog } from './writer-log.ts'

const WRITES = 10_000

export async function failBack(session: Session): Promise<string> {
  const { stack, report } = session
  const home = session.standby
  const { walDir, away } = awayFrom(home)
  await rename(away, walDir)
  const started = Date.now()
  const handle = await stack.client.workflow.start('failback', {
    taskQueue: 'holdfast',
    workflowId: 'failback-shop',
    args: [{ group: 'shop', reason: 'the old site is back', requestedBy: 'quickstart' }],
  })
  session.say(`failback: ${stack.temporal.uiUrl}/namespaces/default/workflows/failback-shop`)
  await approveAs(handle, 'second-person', 'the standby streams', () => awaitWrites(session.writerLog, started, WRITES, 300_000))
  const result = await resultOf<FailbackReport>(handle)
  session.standby = session.primary
  session.primary = home
  await awaitWrites(session.writerLog, Date.now(), 50)
  const ended = Date.now()
  const { acknowledged } = await readLog(session.writerLog, started, ended)
  const lost = missing(acknowledged, await presentIds(session.primary))
  const seconds = (ended - started) / 1000
  report.failback = { method: result.method, seconds, acknowledged: acknowledged.size, lost: lost.length }
  if (report.failover)
    report.failover.reportedLost = result.lost.tables
      .filter((table) => table.name.endsWith('public.writes'))
      .reduce((sum, table) => sum + table.rows, 0)
  await awaitStreaming(session.primary)
  const slots = await session.primary.query(`select slot_name, active from pg_replication_slots where slot_name = '${stack.pair.slot}'`)
  if (slots[0]?.['active'] !== true) throw new Error(`the slot ${stack.pair.slot} is not in use on the primary`)
  if (!result.backup) throw new Error('the new timeline has no backup')
  report.backups.push({ source: 'shop', id: result.backup, driver: 'postgres-physical', storedBytes: 0, seconds: 0 })
  return `${result.method}; lost ${lost.length} of ${acknowledged.size} acknowledged writes; ${report.failover?.reportedLost ?? 0} rows exported; backup ${result.backup}`
}
