/** The capture by copies: what differs is copied, what is gone gets a delete marker there, and the index names a version for every key. */
import { Blake3Hasher } from '@napi-rs/blake-hash'
import { DeleteObjectCommand } from '@aws-sdk/client-s3'
import { isDeepStrictEqual } from 'node:util'
import { bytesOf } from '../../core/duration.ts'
import { HoldfastError } from '../../core/errors.ts'
import type { ArtifactSink, Captured, CaptureRequest, DriverContext } from '../driver.ts'
import { inOrder } from '../common/in-order.ts'
import { baseEntries } from './base.ts'
import { type Bucket, type Origin, sameStore, withBucket } from './client.ts'
import { type Copies, factsOfCopies } from './copies.ts'
import { copyObject } from './copy-object.ts'
import { type Facts, lineOf, type Versioned } from './entries.ts'
import { INDEX } from './indexed.ts'
import { list, type Listed } from './listing.ts'
import { openPart } from './part-writer.ts'
import { putObject, type Written } from './put-object.ts'
import { compared, factsOfVersion, openObject, orGone, type Reading, readingOf, tagsOf } from './read-object.ts'
import { selectionOf } from './selection.ts'
import { type Row, sideBySide } from './side-by-side.ts'
import { createTally } from './tally.ts'
import { listVersions, type Version } from './version-listing.ts'

/** At the source, in the index of the base, and at the destination now. */
type Three = Row<{ listed: Listed; known: Versioned; copy: Version }>

interface Work {
  origin: Origin
  copies: Copies
  from: Bucket
  there: Bucket
  reading: Reading
  context: DriverContext
  count: { copied: number; bytes: number; gone: number; marked: number; surplus: number }
}

export async function captureCopies(
  origin: Origin,
  copies: Copies,
  context: DriverContext,
  request: CaptureRequest,
  sink: ArtifactSink,
): Promise<Captured> {
  return withBucket(origin, (from) =>
    withBucket(copies.origin, (there) => {
      const reading = readingOf(origin.config, from, context.signal)
      const count = { copied: 0, bytes: 0, gone: 0, marked: 0, surplus: 0 }
      return captureWith({ origin, copies, from, there, reading, context, count }, request, sink)
    }),
  )
}

async function captureWith(work: Work, request: CaptureRequest, sink: ArtifactSink): Promise<Captured> {
  const { origin, copies, from, there, context, count } = work
  const { config } = origin
  const time = new Date().toISOString()
  const base = await baseEntries<Versioned>(request, 'at')
  const takes = selectionOf(config)
  const rows = sideBySide({
    listed: list(from, config, context),
    known: base.entries,
    copy: latest(listVersions(there, { below: copies.below, prefix: config.prefix }, context)),
  })
  async function* selected(): AsyncGenerator<Three> {
    for await (const row of rows) if (takes(row.key)) yield row
  }
  const index = openPart(sink, INDEX, 'index')
  const tally = createTally()
  const partBytes = bytesOf(config.partSize)
  const ahead = { width: config.concurrency, weight: ({ listed }: Three) => Math.min(listed?.size ?? 0, partBytes), most: 4 * partBytes }
  try {
    for await (const entry of inOrder(selected(), ahead, (row) => take(work, row))) {
      context.signal.throwIfAborted()
      if (entry) {
        tally.add(entry)
        await index.write(Buffer.from(lineOf(entry)))
      }
      context.onProgress({ phase: 'objects', parts: tally.objects, bytes: tally.bytes })
    }
    const artifact = await index.end()
    return {
      artifacts: [artifact],
      consistency: { time },
      inventory: { objects: tally.facts(), copies: factsOfCopies(copies) },
      sizeBytes: tally.bytes,
      storedBytes: artifact.storedBytes + count.bytes,
      fileCount: tally.objects,
      warnings: [...base.warnings, ...warningsOf(work)],
    }
  } catch (error) {
    await index.abandon(error)
    throw error
  }
}

function warningsOf({ count, there }: Work): string[] {
  return [
    ...(count.gone > 0 ? [`${count.gone} objects were deleted while the bucket was read: they are not in the point`] : []),
    ...(count.surplus > 0
      ? [`${there.title} has ${count.surplus} objects that neither the source has nor the point before copied: they were left alone`]
      : []),
  ]
}

/** Delete markers are no copies. */
async function* latest(versions: AsyncIterable<Version>): AsyncGenerator<Version> {
  for await (const version of versions) if (version.latest && !version.deleted) yield version
}

async function take(work: Work, { key, listed, known, copy }: Three): Promise<Versioned | undefined> {
  const { reading, count } = work
  if (!listed) {
    if (copy && known) await mark(work, key)
    else if (copy) count.surplus += 1
    return undefined
  }
  if (known && copy && isSame(known, listed) && copy.version === known.at.version) {
    const tags = reading.tags ? await tagsOf(reading.bucket, key, known.version, reading.signal) : known.tags
    if (isDeepStrictEqual(tags, known.tags)) return known
  }
  const facts = await factsOfVersion(reading, key)
  if (facts && copy && (await isCopy(work, facts, copy))) return { ...facts, at: { version: copy.version, etag: copy.etag } }
  const made = facts && (await copyOne(work, facts))
  if (!made) count.gone += 1
  return made
}

const isSame = (entry: Facts, { size, etag, modified }: Listed): boolean =>
  entry.size === size && entry.etag === etag && entry.modified === modified

/** What a try that was killed, or a point whose index cannot be read, has copied. */
async function isCopy({ reading, copies, there }: Work, facts: Facts, copy: Version): Promise<boolean> {
  if (copy.size !== facts.size || copy.etag !== facts.etag) return false
  const kept = await factsOfVersion({ ...reading, bucket: there }, copies.below + facts.key, copy.version)
  const beside = (one: Facts | undefined) => [one?.headers, one?.metadata, one?.tags]
  return isDeepStrictEqual(beside(kept), beside(facts))
}

async function mark({ there, copies, count, context: { signal } }: Work, key: string): Promise<void> {
  const Key = copies.below + key
  await there.call('delete', Key, signal, () =>
    there.client.send(new DeleteObjectCommand({ Bucket: there.name, Key }), { abortSignal: signal }),
  )
  count.marked += 1
}

async function copyOne(work: Work, facts: Facts): Promise<Versioned | undefined> {
  const { origin, copies, there, count } = work
  const copied = sameStore(origin, copies.origin) ? await byStore(work, facts) : await streamed(work, facts.key)
  if (!copied) return undefined
  const { written, facts: now, blake3 } = copied
  if (written.version === undefined)
    throw new HoldfastError('SOURCE_UNFIT', `${there.title} gave no version to ${JSON.stringify(now.key)}`, {
      object: now.key,
      next: 'switch versioning of it on',
    })
  count.copied += 1
  count.bytes += now.size
  return { ...now, at: { version: written.version, etag: written.etag }, ...(blake3 !== undefined && { blake3 }) }
}

interface Copied {
  written: Written
  facts: Facts
  blake3?: string
}

async function byStore(work: Work, facts: Facts, tries = 3): Promise<Copied | undefined> {
  const { origin, copies, from, there, reading } = work
  const { signal } = work.context
  const partBytes = bytesOf(origin.config.copyPartSize)
  const copying = { from, to: there, partBytes, tags: reading.tags, signal, onBytes: () => {} }
  const original = { key: facts.key, version: facts.version, etag: facts.etag }
  try {
    const written = await orGone(copyObject(copying, original, copies.below + facts.key, facts))
    return written && { written, facts }
  } catch (error) {
    // Written anew meanwhile, in a bucket without versions.
    if (tries <= 1 || !isOther(error)) throw error
    const now = await factsOfVersion(reading, facts.key)
    return now && byStore(work, now, tries - 1)
  }
}

const isOther = (error: unknown) => error instanceof HoldfastError && (error.cause as Error | undefined)?.name === 'PreconditionFailed'

/** As it is when it is read. */
async function streamed(
  { origin: { config }, copies, there, reading, context: { signal } }: Work,
  key: string,
): Promise<Copied | undefined> {
  const object = await openObject(reading, key)
  if (!object) return undefined
  const hasher = new Blake3Hasher()
  const body = digested(compared(object), hasher)
  const writing = { bucket: there, partBytes: bytesOf(config.partSize), signal }
  const written = await putObject(writing, copies.below + key, object.facts, body)
  return { written, facts: object.facts, blake3: hasher.digest('hex') }
}

async function* digested(body: AsyncIterable<Buffer>, hasher: Blake3Hasher): AsyncGenerator<Buffer> {
  for await (const chunk of body) {
    hasher.update(chunk)
    yield chunk
  }
}
