/** Whether so many entries came since the newest point that it is time for another one. */
import type { Manifest } from '../../core/records.ts'
import type { DriverContext, Due } from '../driver.ts'
import { leaderOf } from './cluster.ts'
import type { RaftClusterConfig } from './config.ts'
import { fact } from './parts.ts'

export async function isDue(config: RaftClusterConfig, { signal }: DriverContext, newest: Manifest | undefined): Promise<Due> {
  const every = config.every?.entries
  if (every === undefined) return { due: false, detail: 'the source has no every.entries' }
  if (!newest) return { due: true, detail: 'there is no recovery point yet' }
  const { metrics } = await leaderOf(config, signal)
  const before = Number(fact(newest, 'snapshot', 'entries at most') ?? 0)
  const came = metrics.totalEntries - before
  const detail = `${came} entries since ${newest.id}, of ${every}`
  // Fewer than there were: the cluster was restored, and what followed is in no point.
  return { due: came >= every || came < 0, detail }
}
