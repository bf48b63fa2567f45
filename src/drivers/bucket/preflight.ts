/** What the bucket looks like before a capture: by a few calls that change nothing. */
import { HeadBucketCommand } from '@aws-sdk/client-s3'
import type { DriverContext, Preflight } from '../driver.ts'
import { type Origin, versioningOf, withBucket } from './client.ts'
import { copiesFindings } from './copies.ts'
import { list } from './listing.ts'
import { createNewest, replicationFindings } from './replication.ts'
import { selectionOf } from './selection.ts'

/** So many keys are looked at for the estimate: all of millions would be listed twice. */
const LOOKED_AT = 20_000

export async function preflight(origin: Origin, context: DriverContext): Promise<Preflight> {
  return withBucket(origin, async (bucket) => {
    const { signal } = context
    const { name, client, title } = bucket
    await bucket.call('look at', name, signal, () => client.send(new HeadBucketCommand({ Bucket: name }), { abortSignal: signal }))
    const versioning = await versioningOf(bucket, signal)
    const takes = selectionOf(origin.config)
    let [objects, bytes, seen] = [0, 0, 0]
    const newest = createNewest(origin.config)
    for await (const listed of list(bucket, origin.config, context)) {
      seen += 1
      if (takes(listed.key)) [objects, bytes] = [objects + 1, bytes + listed.size]
      newest.add(listed)
      if (seen >= LOOKED_AT) break
    }
    const more = seen >= LOOKED_AT ? ' among the first' : ''
    return {
      versions: { s3: origin.config.endpoint ?? origin.config.region },
      estimateBytes: bytes,
      findings: [
        { name: 'objects', ok: true, required: true, detail: `${title} has ${objects} objects${more}, ${bytes} bytes` },
        { name: 'versioning', ok: true, required: false, detail: `versioning is ${versioning ?? 'off'}` },
        ...(await copiesFindings(origin, context)),
        ...(await replicationFindings(origin, bucket, newest.objects, signal)),
      ],
    }
  })
}
