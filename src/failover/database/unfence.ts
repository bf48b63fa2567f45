/** Taking a fence back: only for an abort before the promotion, with a newer epoch, once the other side cannot promote. */
import { until } from '../../process/wait.ts'
import { raiseEpoch } from './epoch.ts'
import { supervise } from './fence.ts'
import { unpin } from './pin.ts'
import { inspectSite, pidsOf, type Site, type SiteState } from './site.ts'
import { killAll } from './stop.ts'

/** Un-pins, unmasks, starts; resolves when the site answers. EPOCH_STALE where a newer run owns it. May be called twice. */
export async function unfence(site: Site, epoch: number, { timeoutMs = 120_000 }: { timeoutMs?: number } = {}): Promise<SiteState> {
  await raiseEpoch(site, epoch)
  const before = await inspectSite(site)
  if (before.role === 'down') {
    // What runs and answers nobody is in the middle of a stop that cannot be taken back: only a new start brings it up.
    if ((await pidsOf(site)).length > 0) await killAll(site, epoch)
    await unpin(site, epoch)
  }
  await supervise(site, epoch, 'unmask')
  await supervise(site, epoch, 'start')
  return until(
    async () => {
      const state = await inspectSite(site)
      return state.role !== 'down' && state
    },
    { timeoutMs, everyMs: 100, what: `site ${site.name} to answer`, signal: site.signal },
  )
}
