/** What differs from the point is written, what the point does not have is deleted; repeated, it finds less and less to do. */
import { appendFile, writeFile } from 'node:fs/promises'
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { DeleteObjectCommand } from '@aws-sdk/client-s3'
import { bytesOf } from '../../core/duration.ts'
import { HoldfastError } from '../../core/errors.ts'
import type { DriverContext, RestoreChoice, Swapped } from '../driver.ts'
import { type Bucket, type Origin, versioningOf, withBucket } from './client.ts'
import type { Contents } from './contents.ts'
import type { Entry } from './entries.ts'
import { entriesIn } from './indexed.ts'
import { type Destination, destinationOf } from './into.ts'
import { list, type Listed } from './listing.ts'
import { indexIn } from './places.ts'
import { createPool } from './pool.ts'
import { factsOfVersion, readingOf } from './read-object.ts'
import { type Takes, takesOf } from './selection.ts'
import { sideBySide } from './side-by-side.ts'

interface Work {
  to: Destination
  bucket: Bucket
  context: DriverContext
  dir: string
  /** Of the point and of the bucket. */
  takes: Takes
}

export async function putBack(
  origin: Origin,
  contents: Contents,
  context: DriverContext,
  dir: string,
  choice: RestoreChoice,
): Promise<Swapped> {
  const to = destinationOf(origin, choice)
  await contents.fetchIndex(indexIn(dir))
  const takes = takesOf(origin.config, choice.parts)
  return withBucket(to.origin, async (bucket) => {
    const work: Work = { to, bucket, context, dir, takes }
    const surplus = join(dir, 'surplus')
    await writeFile(surplus, '')
    const { signal } = context
    const writing = { origin: to.origin, bucket, partBytes: bytesOf(origin.config.partSize), signal, below: to.below }
    await contents.write(join(dir, 'lists'), differing(work, surplus), writing)
    if (to.mode === 'replace') await remove(work, surplus)
    await requireThere(work)
    const versioning = await versioningOf(bucket, signal)
    return { database: bucket.name, notes: [keptNote(choice, versioning === 'Enabled')] }
  })
}

function keptNote({ into }: RestoreChoice, versioned: boolean): string {
  const kept = versioned
    ? 'are older versions of their keys in the bucket'
    : into === undefined
      ? 'are in the safety backup, and nowhere else'
      : 'are nowhere'
  return `objects that were replaced or deleted ${kept}`
}

/** Before anything is read: afterwards, what an earlier try of the restore wrote is there too. */
export async function requireEmpty(origin: Origin, choice: RestoreChoice, context: DriverContext): Promise<void> {
  const { below, mode, origin: there } = destinationOf(origin, choice)
  if (mode !== 'empty') return
  const takes = takesOf(origin.config, choice.parts)
  await withBucket(there, async (bucket) => {
    for await (const { key } of list(bucket, { below, prefix: there.config.prefix }, context))
      if (takes(key)) throw notEmpty(bucket, below + key)
  })
}

const notEmpty = ({ title }: Bucket, key: string) =>
  new HoldfastError('SOURCE_UNFIT', `${title} is not empty: it has ${JSON.stringify(key)}`, {
    object: key,
    next: 'choose the mode upsert or replace, or another place with into',
  })

/** The index beside the listing. */
async function* pairs({ to, bucket, context, dir, takes }: Work) {
  const place = { below: to.below, prefix: to.origin.config.prefix }
  const rows = sideBySide({ entry: entriesIn(indexIn(dir)), listed: list(bucket, place, context) })
  for await (const row of rows) if (takes(row.key)) yield row
}

/** What has to be written; keys that only the bucket has go to the list of what is too many. */
async function* differing(work: Work, surplus: string): AsyncGenerator<Entry> {
  for await (const { entry, listed } of pairs(work)) {
    if (work.to.mode === 'empty' && listed && listed.size !== entry?.size) throw notEmpty(work.bucket, work.to.below + listed.key)
    if (entry && !(listed && (await isSame(work, entry, listed)))) yield entry
    else if (!entry && listed) await appendFile(surplus, `${JSON.stringify(listed.key)}\n`)
  }
}

/** Also what is kept beside the bytes. */
async function isSame({ to, bucket, context }: Work, entry: Entry, { size, etag }: Listed): Promise<boolean> {
  if (entry.size !== size || entry.etag !== etag) return false
  const { headers, metadata, tags } = entry
  const { signal } = context
  const key = to.below + entry.key
  const now = await factsOfVersion(readingOf(to.origin.config, bucket, signal), key)
  return isDeepStrictEqual([headers, metadata, tags], [now?.headers, now?.metadata, to.origin.config.tags ? now?.tags : tags])
}

/** In a bucket with versions each gets a delete marker. */
async function remove({ to, bucket, context }: Work, surplus: string): Promise<void> {
  const { signal, onProgress } = context
  const pool = createPool(to.origin.config.concurrency)
  let parts = 0
  try {
    for await (const line of createInterface({ input: createReadStream(surplus) })) {
      const key = to.below + (JSON.parse(line) as string)
      await pool.run(async () => {
        await bucket.call('delete', key, signal, () =>
          bucket.client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key: key }), { abortSignal: signal }),
        )
      })
      parts += 1
      onProgress({ phase: 'delete', parts })
    }
  } finally {
    await pool.end()
  }
}

/** A last look, by what the listing says. */
async function requireThere(work: Work): Promise<void> {
  for await (const { entry, listed } of pairs(work)) {
    const why = !listed
      ? 'is not there'
      : !entry
        ? work.to.mode === 'replace' && 'is there again'
        : entry.size !== listed.size && `has ${listed.size} bytes instead of ${entry.size}`
    if (!why) continue
    const key = work.to.below + (entry ?? listed)?.key
    throw new HoldfastError(
      'VERIFY_FAILED',
      `${JSON.stringify(key)} ${why} after the restore: something else writes to ${work.bucket.title}`,
      {
        object: key,
        next: 'stop what writes to it, name it in applications, and start the restore again',
      },
    )
  }
}
