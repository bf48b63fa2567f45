/** Snapshots that an engine keeps where the source is: retention removes what good points have. */
import type { SnapshotExpiry } from '../src/drivers/driver.ts'
import { withProgress } from './context.ts'
import { openSource, type Services } from './services.ts'

export function createHostSnapshots(services: Services) {
  return {
    /** What no good point has stays, however old it is. */
    async expireSnapshots({ source, keep, dryRun }: { source: string; keep: string; dryRun: boolean }): Promise<SnapshotExpiry> {
      return withProgress(async (context) => {
        const { catalog } = await openSource(services, source)
        const points = (await catalog.listPoints(source)).filter(({ good }) => good)
        const good = await Promise.all(points.map(async ({ id }) => (await catalog.readManifest(source, id)).manifest))
        const driver = await services.driver(source)
        return (await driver.expireSnapshots?.(context, { keep, good, dryRun })) ?? { removed: 0, unproved: 0 }
      })
    },
  }
}
