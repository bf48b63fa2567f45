/** The contents of a point that points into copies, and whether these are all there. */
import { HoldfastError } from '../../core/errors.ts'
import { type Bucket, withBucket } from './client.ts'
import type { Contents } from './contents.ts'
import type { Copies } from './copies.ts'
import type { Entry, Versioned } from './entries.ts'
import { damaged, fetchIndex, type Point } from './indexed.ts'
import { sideBySide } from './side-by-side.ts'
import { listVersions, type Version } from './version-listing.ts'
import { versionedContents } from './versioned-contents.ts'

export function copiedContents(copies: Copies, point: Point): Contents {
  const { context, manifest } = point
  return {
    ...versionedContents({ ...copies, context }),
    fetchIndex: (path) => fetchIndex(point, path),
    check: (_, entries) =>
      withBucket(copies.origin, async (bucket) => {
        for await (const { entry, found } of beside(bucket, copies, point, entries)) {
          if (found && found.size === entry.size && found.etag === entry.at.etag) continue
          throw new HoldfastError(
            'INTEGRITY',
            `${bucket.title} has not what the point ${manifest.id} says of ${JSON.stringify(entry.key)}`,
            {
              object: entry.key,
              next: `holdfast verify ${manifest.source} ${manifest.id}; choose another recovery point`,
            },
          )
        }
      }),
  }
}

/** Each entry with the version that it names, as the store has it. */
export async function* beside(
  bucket: Bucket,
  { origin, below }: Copies,
  { manifest, context }: Pick<Point, 'manifest' | 'context'>,
  entries: AsyncIterable<Entry>,
): AsyncGenerator<{ entry: Versioned; found: Version | undefined }> {
  async function* copied() {
    for await (const entry of entries)
      if ('at' in entry) yield entry
      else throw damaged(manifest, `names no version of ${entry.key}`)
  }
  const place = { below, prefix: origin.config.prefix }
  for await (const { entry, there } of sideBySide({ entry: copied(), there: byKey(listVersions(bucket, place, context)) }))
    if (entry) yield { entry, found: there?.versions.get(entry.at.version) }
}

async function* byKey(versions: AsyncIterable<Version>) {
  let open: { key: string; versions: Map<string, Version> } | undefined
  for await (const version of versions) {
    if (open && open.key !== version.key) yield open
    if (open?.key !== version.key) open = { key: version.key, versions: new Map() }
    open?.versions.set(version.version, version)
  }
  if (open) yield open
}
