/** The bucket as it was at a time, by the versions that it keeps itself: where no point is of that time. */
import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { GetBucketLifecycleConfigurationCommand } from '@aws-sdk/client-s3'
import { HoldfastError } from '../../core/errors.ts'
import { inOrder } from '../common/in-order.ts'
import type { DriverContext } from '../driver.ts'
import { type Bucket, isUnsupported, type Origin, versioningOf, withBucket } from './client.ts'
import type { Contents } from './contents.ts'
import { lineOf, type Versioned } from './entries.ts'
import { factsOfVersion, orGone, type Reading, readingOf } from './read-object.ts'
import type { Takes } from './selection.ts'
import { listVersions, type Version, versionsAt } from './version-listing.ts'
import { versionedContents } from './versioned-contents.ts'

export interface AsOf {
  origin: Origin
  /** With its offset. */
  time: string
  takes: Takes
  context: DriverContext
}

export function contentsAsOf(asOf: AsOf): Contents {
  const { origin, context } = asOf
  return {
    ...versionedContents({ origin, below: '', context }),
    fetchIndex: (path) => withBucket(origin, (bucket) => writeIndex(asOf, bucket, path)),
    // Its index is what the bucket says that it has.
    async check(_, entries) {
      for await (const _entry of entries) context.signal.throwIfAborted()
    },
  }
}

async function writeIndex(asOf: AsOf, bucket: Bucket, path: string): Promise<void> {
  const { origin, context } = asOf
  await requireKept(bucket, asOf)
  const reading = readingOf(origin.config, bucket, context.signal)
  const known = createKnown(asOf, bucket)
  const ahead = { width: origin.config.concurrency, weight: () => 0, most: 0 }
  const standing = versionsAt(known.seen(listVersions(bucket, origin.config, context)), timeOf(asOf))
  async function* lines() {
    for await (const entry of inOrder(standing, ahead, (version) => entryOf(reading, version))) yield lineOf(entry)
    known.require()
  }
  await rm(path, { force: true })
  await pipeline(Readable.from(lines()), createWriteStream(path, { mode: 0o600 }))
}

const timeOf = ({ time }: Pick<AsOf, 'time'>): string => new Date(time).toISOString()

async function entryOf(reading: Reading, { key, version }: Version): Promise<Versioned> {
  const facts = await factsOfVersion(reading, key, version)
  if (facts) return { ...facts, at: { version, etag: facts.etag } }
  throw new HoldfastError('SOURCE_UNFIT', `the version ${version} of ${JSON.stringify(key)} was removed while it was looked at`, {
    object: key,
    retryable: true,
    next: 'look who removes versions there, and start again',
  })
}

/** Only what is chosen is let through; where none of it is from that time, nobody can say that there was none. */
function createKnown({ takes, time }: AsOf, bucket: Bucket) {
  let oldest: Version | undefined
  return {
    async *seen(versions: AsyncIterable<Version>): AsyncGenerator<Version> {
      for await (const version of versions) {
        if (!takes(version.key)) continue
        if (!oldest || version.modified < oldest.modified) oldest = version
        yield version
      }
    },
    require() {
      if (!oldest || oldest.modified <= timeOf({ time })) return
      throw outOfRange(
        time,
        `the oldest version in ${bucket.title} of what is chosen is ${JSON.stringify(oldest.key)} of ${oldest.modified}`,
      )
    },
  }
}

function outOfRange(time: string, why: string): HoldfastError {
  return new HoldfastError('TARGET_OUT_OF_RANGE', `nothing is known of ${time}: ${why}`, {
    object: time,
    next: 'choose a later time, or a recovery point: holdfast list',
  })
}

const DAY_MS = 24 * 3600 * 1000

/** Throws where the bucket does not keep, or no longer keeps, what was replaced or deleted since. */
export async function requireKept(bucket: Bucket, { time, context: { signal } }: Pick<AsOf, 'time' | 'context'>): Promise<void> {
  if (Number.isNaN(Date.parse(time)))
    throw new HoldfastError('INPUT_INVALID', `${time} is no time, and versions are of a time`, {
      object: time,
      next: 'give a time with its offset, like 2026-01-15T12:00:00+01:00',
    })
  if (Date.parse(time) > Date.now()) throw outOfRange(time, 'it is yet to come')
  const status = await versioningOf(bucket, signal)
  if (status !== 'Enabled')
    throw new HoldfastError(
      'SOURCE_UNFIT',
      `versioning of ${bucket.title} is ${status?.toLowerCase() ?? 'off'}: it keeps nothing of earlier`,
      {
        object: bucket.name,
        next: 'restore a recovery point; switch versioning on for the next time',
      },
    )
  const days = await daysKept(bucket, signal)
  if (days !== undefined && Date.parse(time) < Date.now() - days * DAY_MS)
    throw outOfRange(time, `a rule of the life cycle of ${bucket.title} removes versions ${days} days after they were replaced`)
}

/** Of the rule that removes them first. A store without such rules removes nothing by them. */
async function daysKept(bucket: Bucket, signal: AbortSignal): Promise<number | undefined> {
  const { name, client } = bucket
  const answer = await orGone(
    bucket.call('look at the life cycle of', name, signal, () =>
      client.send(new GetBucketLifecycleConfigurationCommand({ Bucket: name }), { abortSignal: signal }),
    ),
  ).catch((error: unknown) => {
    if (isUnsupported(error)) return undefined
    throw error
  })
  const days = (answer?.Rules ?? [])
    .filter((rule) => rule.Status === 'Enabled')
    .flatMap(({ NoncurrentVersionExpiration }) => NoncurrentVersionExpiration?.NoncurrentDays ?? [])
  return days.length > 0 ? Math.min(...days) : undefined
}
