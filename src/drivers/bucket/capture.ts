/** The capture: the listing beside the index of the base, what is new into packs, and a line of the index for every object. */
import { buffer } from 'node:stream/consumers'
import { Readable } from 'node:stream'
import { HoldfastError } from '../../core/errors.ts'
import { bytesOf } from '../../core/duration.ts'
import type { Artifact, Manifest } from '../../core/records.ts'
import type { ArtifactSink, Captured, CaptureRequest, DriverContext } from '../driver.ts'
import { inOrder } from '../common/in-order.ts'
import { baseEntries } from './base.ts'
import { type Bucket, type Origin, withBucket } from './client.ts'
import { copiesTo } from './copies.ts'
import { captureCopies } from './copy-capture.ts'
import { createKeeper, earlierTry } from './earlier.ts'
import { lineOf, type Packed } from './entries.ts'
import { INDEX } from './indexed.ts'
import { list, type Listed } from './listing.ts'
import { createPacks } from './packs.ts'
import { openPart } from './part-writer.ts'
import { type OpenObject, openObject, type Reading, readingOf, tagsOf } from './read-object.ts'
import { selectionOf } from './selection.ts'
import { sideBySide } from './side-by-side.ts'
import { createTally } from './tally.ts'

/** Fetched ahead, each whole in memory. */
const SMALL = 1024 * 1024

interface Found {
  listed: Listed
  /** In the base, or packed by an earlier try, as it is now. */
  known?: Packed
}

/** What became of one key of the listing. */
type Taken = { known: Packed } | { object: OpenObject; changed: boolean } | 'gone'

export async function capture(origin: Origin, context: DriverContext, request: CaptureRequest, sink: ArtifactSink): Promise<Captured> {
  try {
    const copies = copiesTo(origin)
    if (copies) return await captureCopies(origin, copies, context, request, sink)
    return await withBucket(origin, (bucket) => captureFrom(origin, bucket, context, request, sink))
  } catch (error) {
    throw context.signal.aborted
      ? new HoldfastError('CANCELLED', 'the capture was cancelled', { object: origin.config.bucket, cause: error })
      : error
  }
}

async function captureFrom(
  { config }: Origin,
  bucket: Bucket,
  context: DriverContext,
  request: CaptureRequest,
  sink: ArtifactSink,
): Promise<Captured> {
  const time = new Date().toISOString()
  const base = await baseEntries<Packed>(request, 'pack')
  const reading = readingOf(config, bucket, context.signal)
  const earlier = await earlierTry(request)
  const keeper = createKeeper(sink, { ...request, ...(earlier.packs.length === 0 && { kept: undefined }) })
  const packs = createPacks(sink, { id: request.id, packBytes: bytesOf(config.packSize), before: earlier.packs.length, keeper })
  const index = openPart(sink, INDEX, 'index')
  const tally = createTally()
  const used = new Set<string>()
  /** Deleted or written anew between the listing and the reading. */
  let moved = 0
  const found = beside(selected(list(bucket, config, context), selectionOf(config)), base.entries, earlier.entries)
  const ahead = {
    width: config.concurrency,
    weight: ({ listed, known }: Found) => (known ? 0 : listed.size),
    most: config.concurrency * SMALL,
  }
  try {
    for await (const taken of inOrder(found, ahead, (one) => take(reading, one))) {
      context.signal.throwIfAborted()
      if (taken === 'gone') moved += 1
      else {
        if ('changed' in taken && taken.changed) moved += 1
        const entry = 'known' in taken ? taken.known : await packs.add(taken.object)
        tally.add(entry)
        used.add(entry.pack)
        await index.write(Buffer.from(lineOf(entry)))
      }
      context.onProgress({ phase: 'objects', parts: tally.objects, bytes: tally.bytes })
    }
    await packs.end()
    const own = [await index.end(), ...packs.artifacts, ...earlier.packs.filter(({ part }) => used.has(part))]
    return captured(time, own, base.packs(used), tally, [...base.warnings, ...movedWarning(moved)])
  } catch (error) {
    await packs.abandon(error)
    await index.abandon(error)
    throw error
  }
}

function captured(
  time: string,
  own: Artifact[],
  taken: Artifact[],
  tally: ReturnType<typeof createTally>,
  warnings: readonly string[],
): Captured {
  const { objects, bytes } = tally
  return {
    artifacts: [...own, ...taken],
    consistency: { time },
    inventory: { objects: tally.facts() },
    sizeBytes: bytes,
    storedBytes: own.reduce((sum, { storedBytes }) => sum + storedBytes, 0),
    fileCount: objects,
    warnings: [...warnings],
  }
}

const movedWarning = (moved: number): string[] =>
  moved > 0 ? [`${moved} objects were written or deleted while the bucket was read: each is in the point as it was when it was read`] : []

async function* selected(listing: AsyncIterable<Listed>, takes: (key: string) => boolean): AsyncGenerator<Listed> {
  for await (const listed of listing) if (takes(listed.key)) yield listed
}

async function* beside(
  listing: AsyncGenerator<Listed>,
  base: AsyncGenerator<Packed>,
  earlier: AsyncGenerator<Packed>,
): AsyncGenerator<Found> {
  for await (const { listed, ...packed } of sideBySide({ listed: listing, base, earlier })) {
    if (!listed) continue
    const known = [packed.base, packed.earlier].find((entry) => entry && isSame(entry, listed))
    yield { listed, ...(known && { known }) }
  }
}

/** Whoever writes an object, or its metadata, gives it another time. */
const isSame = (entry: Packed, { key, size, etag, modified }: Listed): boolean =>
  entry.key === key && entry.size === size && entry.etag === etag && entry.modified === modified

async function take(reading: Reading, { listed, known }: Found): Promise<Taken> {
  if (known)
    return { known: { ...known, tags: reading.tags ? await tagsOf(reading.bucket, known.key, known.version, reading.signal) : known.tags } }
  const object = await openObject(reading, listed.key)
  if (!object) return 'gone'
  const changed = object.facts.etag !== listed.etag
  if (object.facts.size > SMALL) return { object, changed }
  return { object: { ...object, body: once(await buffer(Readable.from(object.body))) }, changed }
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  if (bytes.length > 0) yield bytes
}

export function packsOf({ artifacts }: Manifest): Map<string, Artifact> {
  return new Map(artifacts.filter(({ role }) => role === 'pack').map((artifact) => [artifact.part, artifact]))
}
