/** A site that runs as a standby again: started as one, and after a clean switch without any rewinding. */
import { join } from 'node:path'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { readControlData } from './control-data.ts'
import { raiseEpoch } from './epoch.ts'
import { supervise } from './fence.ts'
import { findFork } from './fork.ts'
import { exists } from './kept-copy.ts'
import { unpin } from './pin.ts'
import { type Site, pidsOf } from './site.ts'
import { forgetOwnSlot } from './slots.ts'
import { configureStandby } from './standby-config.ts'
import { parseLsn } from './wal-position.ts'

export { awaitStreaming, type Streaming, type StreamingOptions } from './streaming.ts'

export interface Rejoin { site: Site; primary: Site; epoch: number }

/**
 * The demoted side of a clean switch follows the new primary as it is. All is written while the pin still holds. Throws
 * STANDBY_UNHEALTHY where it has something that the new primary lacks: then it is to be rewound. May be repeated.
 */
export async function finishStandby({ site, primary, epoch }: Rejoin): Promise<void> {
  await raiseEpoch(site, epoch)
  if ((await pidsOf(site)).length === 0) {
    if (!(await isStandby(site.dataDir))) await requireClean(site, primary)
    await forgetOwnSlot(site, site.dataDir)
    await configureStandby({ site, primary, dir: site.dataDir, configFrom: site.dataDir })
    await unpin(site, epoch)
  } else if (!(await exists(join(site.dataDir, 'standby.signal')))) {
    throw new HoldfastError('STANDBY_UNHEALTHY', `site ${site.name} runs as a primary`, { object: site.name, next: 'fence it first' })
  }
  await release(site, epoch)
}

/** Lifts the mask and starts the site, which by now can only be a standby. May be repeated. */
export async function release(site: Site, epoch: number): Promise<void> {
  for (const verb of ['unmask', 'start'] as const) {
    await supervise(site, epoch, verb).catch((cause: unknown) => {
      if (!(cause instanceof HoldfastError) || cause.code !== 'PROCESS_FAILED') throw cause
      throw new HoldfastError('STANDBY_UNHEALTHY', `site ${site.name}: ${verb} failed: ${messageOf(cause)}`, { object: site.name, cause, retryable: true, next: `look at the log of PostgreSQL on ${site.host}` })
    })
  }
}

/** True where the data directory holds a standby that is ready to start: nothing is left to be rebuilt. */
export async function isStandby(dataDir: string): Promise<boolean> {
  return (await exists(join(dataDir, 'standby.signal'))) && (await exists(join(dataDir, 'global', 'pg_control')))
}

async function requireClean(site: Site, primary: Site): Promise<void> {
  const [control, fork] = [await readControlData(site), await findFork(site, primary)]
  if (control.state === 'shut down' && parseLsn(control.checkpointLsn) < parseLsn(fork.lsn)) return
  throw new HoldfastError('STANDBY_UNHEALTHY', `site ${site.name} (${control.state}, checkpoint at ${control.checkpointLsn}) has WAL behind ${fork.lsn}, where ${primary.name} left timeline ${fork.timeline}`, {
    object: site.name, next: 'run failback: it exports what only this side has, and rewinds it',
  })
}
