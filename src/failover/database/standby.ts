/** A data directory that is a standby's, and its start. */
import { join } from 'node:path'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { supervise } from './fence.ts'
import { exists } from './kept-copy.ts'
import { removeIntents } from './promote.ts'
import type { Site } from './site.ts'

/** Lifts the mask and starts the site, which by now can only be a standby. May be repeated. */
export async function release(site: Site, epoch: number): Promise<void> {
  // Its promotion of long ago is settled: left there, an abort would take it for one that may still happen.
  await removeIntents(site, epoch)
  for (const verb of ['unmask', 'start'] as const) {
    await supervise(site, epoch, verb).catch((cause: unknown) => {
      if (!(cause instanceof HoldfastError) || cause.code !== 'PROCESS_FAILED') throw cause
      throw new HoldfastError('STANDBY_UNHEALTHY', `site ${site.name}: ${verb} failed: ${messageOf(cause)}`, {
        object: site.name,
        cause,
        retryable: true,
        next: `look at the log of PostgreSQL on ${site.host}`,
      })
    })
  }
}

/** True where the data directory holds a standby that is ready to start: nothing is left to be rebuilt. */
export async function isStandby(dataDir: string): Promise<boolean> {
  return (await exists(join(dataDir, 'standby.signal'))) && (await exists(join(dataDir, 'global', 'pg_control')))
}
