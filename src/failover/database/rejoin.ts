/** The demoted side of a clean switch, which follows the new primary without any rewinding. */
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import { readControlData } from './control-data.ts'
import { raiseEpoch } from './epoch.ts'
import { findFork } from './fork.ts'
import { exists } from './kept-copy.ts'
import { unpin } from './pin.ts'
import { pidsOf, type Site } from './site.ts'
import { isStandby, release } from './standby.ts'
import { configureStandby } from './standby-config.ts'
import { parseLsn } from './wal-position.ts'

export interface Rejoin {
  site: Site
  primary: Site
  epoch: number
}

/**
 * The demoted side streams from the new primary. All is written while the pin still holds. Throws
 * STANDBY_UNHEALTHY where it has something that the new primary lacks: then it is to be rewound. May be repeated.
 */
export async function rejoin({ site, primary, epoch }: Rejoin): Promise<void> {
  await raiseEpoch(site, epoch)
  if ((await pidsOf(site)).length === 0) {
    if (!(await isStandby(site.dataDir))) await requireClean(site, primary)
    await configureStandby({ site, primary, dir: site.dataDir, configFrom: site.dataDir })
    await unpin(site, epoch)
  } else if (!(await exists(join(site.dataDir, 'standby.signal')))) {
    throw new HoldfastError('STANDBY_UNHEALTHY', `site ${site.name} runs as a primary`, { object: site.name, next: 'fence it first' })
  }
  await release(site, epoch)
}

async function requireClean(site: Site, primary: Site): Promise<void> {
  const [control, fork] = [await readControlData(site), await findFork(site, primary)]
  if (control.state === 'shut down' && parseLsn(control.checkpointLsn) < parseLsn(fork.lsn)) return
  throw new HoldfastError(
    'STANDBY_UNHEALTHY',
    `site ${site.name} (${control.state}, checkpoint at ${control.checkpointLsn}) has WAL behind ${fork.lsn}, where ${primary.name} left timeline ${fork.timeline}`,
    {
      object: site.name,
      next: 'run failback: it exports what only this side has, and rewinds it',
    },
  )
}
