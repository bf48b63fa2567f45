/** A data directory that is a standby's, and its start. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { giveTo } from '../../drivers/postgres-common/folder.ts'
import { controlFile, isPinned } from './control-data.ts'
import { supervise } from './fence.ts'
import { isApart } from './fork.ts'
import { exists, signalOf, unexported } from './kept-copy.ts'
import { removeIntents } from './promote.ts'
import { foldersOf } from './rebuild-folders.ts'
import { type Site, siteUser } from './site.ts'

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

/** What a side has: a standby on its primary's timeline nothing of its own; `own` is whatever may hold what nobody else has. */
export type Had = 'nothing' | 'standby' | 'own'

/** The file of a standby proves nothing: somebody may have given it to a primary of before. Not running; throws what findFork throws. */
export async function hadOf(site: Site, primary: Site): Promise<Had> {
  const folders = foldersOf(site.dataDir)
  if (await hasCluster(site)) return (await exists(signalOf(site.dataDir))) && !(await isApart(site, primary)) ? 'standby' : 'own'
  return (await unexported(folders)) ? 'own' : 'nothing'
}

export async function hasCluster(site: Pick<Site, 'dataDir'>): Promise<boolean> {
  return (await exists(controlFile(site))) || isPinned(site)
}

/** The empty data directory of a side on a new host. */
export async function makePlace(site: Site): Promise<void> {
  await mkdir(site.dataDir, { recursive: true, mode: 0o700 })
  const user = siteUser(site)
  if (user) await giveTo(user, site.dataDir)
}

/** True where the data directory holds a standby that is ready to start: nothing is left to be rebuilt. */
export async function isStandby(dataDir: string): Promise<boolean> {
  return (await exists(signalOf(dataDir))) && (await exists(join(dataDir, 'global', 'pg_control')))
}
