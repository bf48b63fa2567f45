/** The other half of an abort: making sure that the standby was not promoted, and by nobody can be with an older epoch. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { until } from '../../process/wait.ts'
import { raiseEpoch } from './epoch.ts'
import { supervise } from './fence.ts'
import { intentsOf, isPromoted, present, removeIntents } from './promote.ts'
import { pidsOf, type Site, withSite } from './site.ts'

export interface Revoked {
  epoch: number
  killed: number[]
  restarted: boolean
  promoted: boolean
}

/**
 * Raises the standby's epoch (killing a straggler that holds the lock) and tells whether it was promoted. Where a
 * promotion may have been sent and not have happened yet, the standby is restarted: a stopped server forgets it.
 */
export async function revokePromotion(site: Site, to: number, { patienceMs }: { patienceMs?: number } = {}): Promise<Revoked> {
  const { killed } = await raiseEpoch(site, to, patienceMs === undefined ? {} : { patienceMs })
  if (await isPromoted(site)) return { epoch: to, killed, restarted: false, promoted: true }
  const pending = killed.length > 0 || (await promotionPending(site))
  if (pending) await restart(site, to)
  const promoted = await isPromoted(site)
  if (!promoted) await removeIntents(site, to)
  return { epoch: to, killed, restarted: pending, promoted }
}

async function promotionPending(site: Site): Promise<boolean> {
  if (await present(join(site.dataDir, 'promote'))) return true
  if ((await intentsOf(site)).length > 0) return true
  return withSite(site, async (client) => {
    const { rows } = await client.query(
      "select 1 from pg_stat_activity where pid <> pg_backend_pid() and query ilike '%pg_promote%' and state = 'active'",
    )
    return rows.length > 0
  })
}

async function restart(site: Site, epoch: number): Promise<void> {
  await supervise(site, epoch, 'stop')
  await until(async () => (await pidsOf(site)).length === 0, { timeoutMs: 60_000, what: `site ${site.name} to stop`, signal: site.signal })
  await rm(join(site.dataDir, 'promote'), { force: true })
  await supervise(site, epoch, 'start')
}
