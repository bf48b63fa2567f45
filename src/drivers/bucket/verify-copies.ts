/** The proof of a point that points into copies: every version is there as the index says, and some, or all, are read. */
import { Blake3Hasher } from '@napi-rs/blake-hash'
import { HoldfastError } from '../../core/errors.ts'
import type { Assertion, Manifest } from '../../core/records.ts'
import type { DriverContext } from '../driver.ts'
import { type Bucket, withBucket } from './client.ts'
import { beside } from './copied-contents.ts'
import type { Copies } from './copies.ts'
import type { Versioned } from './entries.ts'
import { entriesIn } from './indexed.ts'
import { indexIn } from './places.ts'
import { compared, openObject, readingOf } from './read-object.ts'
import { contentLine } from './tally.ts'
import type { Found, Lookup } from './verify.ts'

/** At the depth `restore`, spread over the keys. */
const SAMPLES = 20

export async function lookAtCopies(
  copies: Copies,
  manifest: Manifest,
  dir: string,
  depth: 'restore' | 'full',
  context: DriverContext,
): Promise<{ found: Found; read: Assertion }> {
  return withBucket(copies.origin, async (bucket) => {
    const contents = new Blake3Hasher()
    const every = depth === 'full' ? 1 : Math.max(1, Math.floor(manifest.fileCount / SAMPLES))
    let [files, bytes, seen, read] = [0, 0, 0, 0]
    let differs: string | undefined
    const broken: string[] = []
    for await (const { entry, found } of beside(bucket, copies, { manifest, context }, entriesIn(indexIn(dir)))) {
      context.signal.throwIfAborted()
      const { key, at } = entry
      if (!found || found.deleted || found.size !== entry.size || found.etag !== at.etag) differs ??= key
      else if (seen % every === 0) {
        const why = await problemOf(bucket, copies, entry, context)
        if (why !== undefined) broken.push(`${key}: ${why}`)
        read += 1
      }
      if (found) [files, bytes] = [files + 1, bytes + found.size]
      contents.update(contentLine({ key, size: found?.size ?? -1, at: { version: found?.version ?? '', etag: found?.etag ?? '' } }))
      seen += 1
      context.onProgress({ phase: 'verify', parts: seen, bytes })
    }
    const actual = broken.length === 0 ? `${read} objects whole` : broken.slice(0, 5).join('; ')
    const assertion = { name: 'read', ok: broken.length === 0, expected: `${read} objects whole`, actual }
    return { found: { files, bytes, contents: contents.digest('hex'), differs }, read: assertion }
  })
}

async function problemOf(
  bucket: Bucket,
  { origin, below }: Copies,
  entry: Versioned,
  { signal }: DriverContext,
): Promise<string | undefined> {
  const object = await openObject({ ...readingOf(origin.config, bucket, signal), tags: false }, below + entry.key, entry.at.version)
  if (!object) return 'it is gone'
  const hasher = new Blake3Hasher()
  try {
    for await (const chunk of compared(object)) hasher.update(chunk)
  } catch (error) {
    if (error instanceof HoldfastError && error.code === 'INTEGRITY') return error.message
    throw error
  }
  return entry.blake3 === undefined || entry.blake3 === hasher.digest('hex') ? undefined : 'it has other bytes than were copied'
}

/** For questions of the user: by the index, and the version that it names. */
export function lookupIn(copies: Copies, dir: string, { signal }: DriverContext): Lookup {
  const open = async (key: string) => {
    for await (const entry of entriesIn<Versioned>(indexIn(dir))) if (entry.key === key) return entry
    return undefined
  }
  return {
    async size(key) {
      return (await open(key))?.size
    },
    async text(key) {
      const entry = await open(key)
      return withBucket(copies.origin, async (bucket) => {
        const reading = { ...readingOf(copies.origin.config, bucket, signal), tags: false }
        const object = entry && (await openObject(reading, copies.below + key, entry.at.version))
        const chunks: Buffer[] = []
        if (object) for await (const chunk of compared(object)) chunks.push(chunk)
        return Buffer.concat(chunks).toString('utf8')
      })
    },
  }
}
