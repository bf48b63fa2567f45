/** What differs from the point is written, what the point does not have is deleted; repeated, it finds less and less to do. */
import { appendFile, writeFile } from 'node:fs/promises'
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { DeleteObjectCommand, GetBucketVersioningCommand, HeadObjectCommand } from '@aws-sdk/client-s3'
import { bytesOf } from '../../core/duration.ts'
import { HoldfastError } from '../../core/errors.ts'
import type { RestoreChoice, Swapped } from '../driver.ts'
import { type Bucket, type Origin, withBucket } from './client.ts'
import { compareKeys, type Entry } from './entries.ts'
import { entriesIn, extract, fetchIndex, type Point } from './extract.ts'
import { list, type Listed } from './listing.ts'
import { indexIn } from './places.ts'
import { createPool } from './pool.ts'
import { putObject } from './put-object.ts'
import { factsOf, tagsOf } from './read-object.ts'
import { picksOf, selectionOf, type Takes } from './selection.ts'

/** Chosen objects are put beside what is there; all of them, in the place of what is there. */
const modeOf = ({ mode, parts }: RestoreChoice): NonNullable<RestoreChoice['mode']> => mode ?? (parts ? 'upsert' : 'replace')

interface Work {
  origin: Origin
  bucket: Bucket
  point: Point
  dir: string
  /** Of the point and of the bucket. */
  takes: Takes
}

export async function putBack(origin: Origin, point: Point, dir: string, choice: RestoreChoice): Promise<Swapped> {
  await fetchIndex(point, indexIn(dir))
  const [selected, picks] = [selectionOf(origin.config), picksOf(choice.parts)]
  const mode = modeOf(choice)
  return withBucket(origin, async (bucket) => {
    const work: Work = { origin, bucket, point, dir, takes: (key) => selected(key) && picks.takes(key) }
    if (mode === 'empty') await requireEmpty(work)
    const surplus = join(dir, 'surplus')
    await writeFile(surplus, '')
    const { signal } = point.context
    const writing = { bucket, partBytes: bytesOf(origin.config.partSize), signal }
    await extract(point, join(dir, 'lists'), differing(work, surplus), (entry, body) => putObject(writing, entry.key, entry, body))
    if (mode === 'replace') await remove(work, surplus)
    await requireThere(work, mode)
    const versions = await bucket.call('look at the versioning of', bucket.name, signal, () =>
      bucket.client.send(new GetBucketVersioningCommand({ Bucket: bucket.name })),
    )
    const kept =
      versions.Status === 'Enabled' ? 'are older versions of their keys in the bucket' : 'are in the safety backup, and nowhere else'
    return { database: bucket.name, notes: [`objects that were replaced or deleted ${kept}`] }
  })
}

async function requireEmpty({ origin, bucket, point, takes }: Work): Promise<void> {
  for await (const { key } of list(bucket, origin.config.prefix, point.context)) {
    if (!takes(key)) continue
    throw new HoldfastError('SOURCE_UNFIT', `${bucket.title} is not empty: it has ${JSON.stringify(key)}`, {
      object: key,
      next: 'choose the mode upsert or replace',
    })
  }
}

interface Pair {
  entry?: Entry
  listed?: Listed
}

/** The index beside the listing, by key. */
async function* pairs({ origin, bucket, point, dir, takes }: Work): AsyncGenerator<Pair> {
  const entries = entriesIn(indexIn(dir))
  const listing = list(bucket, origin.config.prefix, point.context)
  try {
    let [entry, listed] = [await entries.next(), await listing.next()]
    while (!entry.done || !listed.done) {
      const order = entry.done ? 1 : listed.done ? -1 : compareKeys(entry.value.key, listed.value.key)
      const pair: Pair = {
        ...(order <= 0 && !entry.done && { entry: entry.value }),
        ...(order >= 0 && !listed.done && { listed: listed.value }),
      }
      if (takes(pair.entry?.key ?? pair.listed?.key ?? '')) yield pair
      if (order <= 0) entry = await entries.next()
      if (order >= 0) listed = await listing.next()
    }
  } finally {
    await entries.return(undefined)
    await listing.return(undefined)
  }
}

/** What has to be written; keys that only the bucket has go to the list of what is too many. */
async function* differing(work: Work, surplus: string): AsyncGenerator<Entry> {
  for await (const { entry, listed } of pairs(work)) {
    if (entry && !(listed && (await isSame(work, entry, listed)))) yield entry
    else if (!entry && listed) await appendFile(surplus, `${JSON.stringify(listed.key)}\n`)
  }
}

/** Also what is kept beside the bytes. */
async function isSame({ origin, bucket, point }: Work, entry: Entry, { size, etag }: Listed): Promise<boolean> {
  if (entry.size !== size || entry.etag !== etag) return false
  const { key, headers, metadata, tags } = entry
  const { signal } = point.context
  const head = await bucket.call('look at', key, signal, () =>
    bucket.client.send(new HeadObjectCommand({ Bucket: bucket.name, Key: key }), { abortSignal: signal }),
  )
  const now = factsOf(key, head)
  const tagsNow = origin.config.tags ? await tagsOf(bucket, key, undefined, signal) : tags
  return isDeepStrictEqual([headers, metadata, tags], [now.headers, now.metadata, tagsNow])
}

/** In a bucket with versions each gets a delete marker. */
async function remove({ origin, bucket, point }: Work, surplus: string): Promise<void> {
  const { signal, onProgress } = point.context
  const pool = createPool(origin.config.concurrency)
  let parts = 0
  try {
    for await (const line of createInterface({ input: createReadStream(surplus) })) {
      const key = JSON.parse(line) as string
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
async function requireThere(work: Work, mode: RestoreChoice['mode']): Promise<void> {
  for await (const { entry, listed } of pairs(work)) {
    const why = !listed
      ? 'is not there'
      : !entry
        ? mode === 'replace' && 'is there again'
        : entry.size !== listed.size && `has ${listed.size} bytes instead of ${entry.size}`
    if (!why) continue
    const key = entry?.key ?? listed?.key
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
