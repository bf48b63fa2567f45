/** What no restore writes over, whoever confirms it: buckets that hold recovery points, or what points name. */
import { HoldfastError } from '../../core/errors.ts'
import type { DriverContext, RestoreChoice } from '../driver.ts'
import { type Origin, withBucket } from './client.ts'
import { destinationOf } from './into.ts'
import { list } from './listing.ts'
import { takesOf } from './selection.ts'

/** Of every key in a repository, behind the prefix of that. */
const OF_POINTS = /(^|\/)holdfast\/v1\//

/** Where nothing is replaced, nothing of a point can be lost. */
export async function requireNoPoints(origin: Origin, choice: RestoreChoice, context: DriverContext): Promise<void> {
  const { origin: there, below, mode } = destinationOf(origin, choice)
  if (choice.into === undefined || mode === 'empty') return
  const { bucket: name, endpoint, copyTo } = origin.config
  if (copyTo && copyTo.bucket === there.config.bucket && (copyTo.endpoint ?? endpoint) === endpoint)
    throw spared(copyTo.bucket, `recovery points of ${origin.wiring.source} name what is in ${copyTo.bucket}, its copyTo`, name)
  const takes = takesOf(origin.config, choice.parts)
  await withBucket(there, async (bucket) => {
    for await (const { key } of list(bucket, { below, prefix: there.config.prefix }, context))
      if (takes(key) && OF_POINTS.test(below + key))
        throw spared(below + key, `${bucket.title} is a repository of Holdfast: it has ${JSON.stringify(below + key)}`, name)
  })
}

const spared = (object: string, why: string, own: string) =>
  new HoldfastError('INPUT_INVALID', why, {
    object,
    next: `restore into another bucket, or into an empty place with --mode empty, like ${own}/restored/`,
  })
