/** Objects that are versions in a bucket: fetched from there, or copied by the store itself where they go to the same one. */
import { bytesOf } from '../../core/duration.ts'
import { HoldfastError } from '../../core/errors.ts'
import type { DriverContext } from '../driver.ts'
import { type Bucket, type Origin, sameStore, withBucket } from './client.ts'
import type { Contents } from './contents.ts'
import { copyObject } from './copy-object.ts'
import type { Entry, Versioned } from './entries.ts'
import { createPool } from './pool.ts'
import { putObject } from './put-object.ts'
import { compared, openObject, readingOf } from './read-object.ts'

export interface VersionsAt {
  origin: Origin
  /** Before every key there. */
  below: string
  context: DriverContext
}

/** Several at once, as is what the store copies by itself; larger bodies one after the other. */
const SMALL = 1024 * 1024

export function versionedContents({ origin, below, context }: VersionsAt): Pick<Contents, 'extract' | 'write'> {
  const { config } = origin
  const { signal } = context
  const each = async (phase: string, largest: number, entries: AsyncIterable<Entry>, work: (entry: Versioned) => Promise<void>) => {
    const pool = createPool(config.concurrency)
    let [parts, bytes] = [0, 0]
    try {
      for await (const entry of entries) {
        signal.throwIfAborted()
        const one = versionedOf(entry)
        if (entry.size > largest) await work(one)
        else await pool.run(() => work(one))
        ;[parts, bytes] = [parts + 1, bytes + entry.size]
        context.onProgress({ phase, parts, bytes })
      }
    } finally {
      await pool.end()
    }
  }
  const open = async (bucket: Bucket, { key, at }: Versioned) => {
    const object = await openObject({ ...readingOf(config, bucket, signal), tags: false }, below + key, at.version)
    if (object) return compared(object)
    throw new HoldfastError('INTEGRITY', `${bucket.title} has the version ${at.version} of ${JSON.stringify(below + key)} no more`, {
      object: key,
      next: 'look who removes versions there: a rule of its life cycle, or somebody',
    })
  }
  return {
    extract: (_, entries, put) =>
      withBucket(origin, (bucket) => each('read versions', SMALL, entries, async (entry) => put(entry, await open(bucket, entry)))),

    write: (_, entries, { origin: to, below: above, ...writing }) =>
      withBucket(origin, (bucket) =>
        each('write versions', sameStore(origin, to) ? Number.POSITIVE_INFINITY : SMALL, entries, async (entry) => {
          const key = above + entry.key
          if (!sameStore(origin, to)) await putObject(writing, key, entry, await open(bucket, entry))
          else {
            const partBytes = bytesOf(config.copyPartSize)
            const copying = { from: bucket, to: writing.bucket, partBytes, tags: config.tags, signal, onBytes: () => {} }
            await copyObject(copying, { key: below + entry.key, version: entry.at.version }, key, entry)
          }
        }),
      ),
  }
}

function versionedOf(entry: Entry): Versioned {
  if ('at' in entry) return entry
  throw new HoldfastError('INTEGRITY', `the index names no version of ${JSON.stringify(entry.key)}`, { object: entry.key })
}
