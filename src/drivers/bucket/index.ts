/** An object bucket: an index of every key, and packs of the objects that no earlier point has. */
import { removeOwnFolder } from '../common/own-folder.ts'
import { requireOneMoment } from '../common/one-moment.ts'
import type { DriverWiring, SourceDriver } from '../driver.ts'
import { capture } from './capture.ts'
import type { Origin } from './client.ts'
import type { BucketSourceConfig } from './config.ts'
import { diff } from './difference.ts'
import { createLive } from './live.ts'
import { preflight } from './preflight.ts'
import { restoreScratch } from './restore.ts'
import { verify } from './verify.ts'

export const createDriver = async (config: BucketSourceConfig, wiring: DriverWiring): Promise<SourceDriver> =>
  createBucket({ config, wiring })

export function createBucket(origin: Origin): SourceDriver {
  return {
    kind: 'bucket',
    capabilities: {
      pointInTime: false,
      incremental: true,
      hostBound: false,
      parts: true,
      sharesObjects: true,
      choices: ['parts', 'into', 'mode', 'to'],
    },
    preflight: (context) => preflight(origin, context),
    capture: (context, request, sink) => capture(origin, context, request, sink),
    async restore(context, manifest, source, { dir, to, promote = false, choice }) {
      requireOneMoment('a point', manifest, to, 'choose the recovery point by its id, or versions of a time: holdfast restore --to')
      return restoreScratch(origin, { manifest, source, context }, { dir, promote, ...(choice && { choice }) })
    },
    verify: (context, manifest, target, options) => verify(origin, context, manifest, target, options),
    destroy: ({ dir }) => removeOwnFolder(dir),
    live: createLive(origin),
    diff: (manifest, choice, looking) => diff(origin, manifest, choice, looking),
  }
}
