/** Every version of every key, page by page, in the order of the keys and of a key the newest first; delete markers are versions. */
import { type ListObjectVersionsCommandOutput, ListObjectVersionsCommand } from '@aws-sdk/client-s3'
import type { DriverContext } from '../driver.ts'
import type { Bucket } from './client.ts'
import { compareKeys } from './entries.ts'
import { keyOf, type Listed, type Place, plainTag, requireOrder } from './listing.ts'

export interface Version extends Listed {
  version: string
  latest: boolean
  /** A delete marker, which has neither bytes nor an ETag. */
  deleted: boolean
}

export async function* listVersions(bucket: Bucket, { below = '', prefix }: Place, context: DriverContext): AsyncGenerator<Version> {
  const { signal, onProgress } = context
  let marker: { KeyMarker?: string; VersionIdMarker?: string } | undefined = {}
  let before: string | undefined
  let parts = 0
  while (marker) {
    const from: { KeyMarker?: string; VersionIdMarker?: string } = marker
    const page = await bucket.call('list the versions of', below + prefix || 'all keys', signal, () =>
      bucket.client.send(new ListObjectVersionsCommand({ Bucket: bucket.name, Prefix: below + prefix, EncodingType: 'url', ...from }), {
        abortSignal: signal,
      }),
    )
    for (const { key, ...version } of versionsOn(page)) {
      if (key !== before) requireOrder(bucket, before, key)
      before = key
      parts += 1
      yield { ...version, key: key.slice(below.length) }
    }
    onProgress({ phase: 'list versions', parts })
    marker = page.IsTruncated ? nextOf(page) : undefined
  }
}

const nextOf = (page: ListObjectVersionsCommandOutput) => ({
  KeyMarker: keyOf(page, page.NextKeyMarker ?? ''),
  ...(page.NextVersionIdMarker && { VersionIdMarker: page.NextVersionIdMarker }),
})

/** An answer has versions and delete markers apart, each in order. */
function versionsOn(page: ListObjectVersionsCommandOutput): Version[] {
  const { Versions = [], DeleteMarkers = [] } = page
  const common = ({ Key = '', VersionId = '', LastModified, IsLatest = false }: (typeof DeleteMarkers)[number]) => ({
    key: keyOf(page, Key),
    version: VersionId,
    modified: LastModified?.toISOString() ?? '',
    latest: IsLatest,
  })
  const all = [
    ...Versions.map((one) => ({ ...common(one), size: one.Size ?? 0, etag: plainTag(one.ETag ?? ''), deleted: false })),
    ...DeleteMarkers.map((one) => ({ ...common(one), size: 0, etag: '', deleted: true })),
  ]
  return all.sort(
    (a, b) =>
      compareKeys(a.key, b.key) || Number(b.latest) - Number(a.latest) || (a.modified < b.modified ? 1 : a.modified > b.modified ? -1 : 0),
  )
}

/** For each key the one that stood at that moment. Within a second nobody knows what came last: then an object rather than none. */
export async function* versionsAt(versions: AsyncIterable<Version>, time: string): AsyncGenerator<Version> {
  let best: Version | undefined
  for await (const one of versions) {
    if (best && best.key !== one.key) {
      if (!best.deleted) yield best
      best = undefined
    }
    if (one.modified > time) continue
    const sameSecond = best?.modified === one.modified && best.deleted && !best.latest && !one.deleted
    if (!best || one.modified > best.modified || sameSecond) best = one
  }
  if (best && !best.deleted) yield best
}
