/** The physical slot that holds WAL back for the standby, on whichever side is primary. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import type { Finding } from '../../drivers/driver.ts'
import { until } from '../../process/wait.ts'
import { slotsOf } from './replication.ts'
import { type Site, withSite } from './site.ts'

/**
 * The group's slot exists on the site and holds back WAL from now on. One that lost its WAL is made anew. Throws
 * SOURCE_UNFIT where something that is no physical slot has the name.
 */
export async function ensureSlot(primary: Site): Promise<void> {
  const name = primary.database.slot
  const found = (await slotsOf(primary)).find((slot) => slot.name === name)
  if (found && found.kind !== 'physical') {
    throw new HoldfastError('SOURCE_UNFIT', `slot ${name} on site ${primary.name} is ${found.kind}, not physical`, {
      object: name,
      next: 'give failoverGroups.<group>.database.slot a name of its own',
    })
  }
  if (found?.walStatus === 'lost') await dropSlot(primary)
  else if (found?.restartLsn) return
  await withSite(primary, async (client) => {
    // Created without a reservation by somebody else, it holds nothing yet: dropped and made again.
    if (found && found.walStatus !== 'lost') await client.query('select pg_drop_replication_slot($1)', [name])
    await client.query(
      'select pg_create_physical_replication_slot($1, true) where not exists (select from pg_replication_slots where slot_name = $1)',
      [name],
    )
  })
}

/** Drops the group's slot; none is no error. Throws BUSY where a standby uses it. */
export async function dropSlot(site: Site): Promise<'dropped' | 'absent'> {
  const name = site.database.slot
  const found = (await slotsOf(site)).find((slot) => slot.name === name)
  if (!found) return 'absent'
  if (found.active)
    throw new HoldfastError('BUSY', `slot ${name} on site ${site.name} is in use`, {
      object: name,
      next: 'stop the standby that streams from it first',
    })
  await withSite(site, (client) =>
    client.query('select pg_drop_replication_slot($1) from pg_replication_slots where slot_name = $1', [name]),
  )
  return 'dropped'
}

/** Resolves when nobody streams from the slot: a receiver that was killed may hold it a little longer. */
export async function awaitSlotFree(primary: Site, timeoutMs = 90_000): Promise<void> {
  const name = primary.database.slot
  const free = async () => !(await slotsOf(primary)).some((slot) => slot.name === name && slot.active)
  await until(free, { timeoutMs, everyMs: 200, what: `slot ${name} on site ${primary.name} to be free`, signal: primary.signal })
}

/** A demoted side keeps no WAL for the standby that it had: the slot's folder goes while the server is down. */
export async function forgetOwnSlot(site: Site, dataDir: string): Promise<void> {
  await rm(join(dataDir, 'pg_replslot', site.database.slot), { recursive: true, force: true })
}

/** Whether a dead standby can fill the site's disk with WAL. */
export async function slotBound(site: Site): Promise<Finding> {
  const { rows } = await withSite(site, (client) =>
    client.query<{ mb: string; text: string }>(
      "select setting as mb, current_setting('max_slot_wal_keep_size') as text from pg_settings where name = 'max_slot_wal_keep_size'",
    ),
  )
  const limit = rows[0]
  const bounded = Number(limit?.mb) >= 0
  return {
    name: `slots of ${site.name} are bounded`,
    ok: bounded,
    detail: bounded
      ? `max_slot_wal_keep_size is ${limit?.text}`
      : 'max_slot_wal_keep_size is -1: a standby that is down keeps WAL until the disk is full',
    ...(bounded ? {} : { next: "alter system set max_slot_wal_keep_size = '<what the disk can spare>'; select pg_reload_conf()" }),
  }
}
