import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Artifact } from '../../../src/core/records.ts'
import { createSink } from '../../../src/pipeline/capture.ts'
import { openArtifact } from '../../../src/pipeline/open-artifact.ts'
import { createMemoryStore, type MemoryStore } from '../../../src/storage/memory.ts'
import { readAll, type Reader } from '../../../src/storage/store.ts'
import { type Identity, makeIdentity } from '../../support/age.ts'

const CHUNK = 64 * 1024
let dir: string
let identity: Identity
let stranger: Identity
let store: MemoryStore
let artifact: Artifact
let given = 0

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-open-'))
  identity = await makeIdentity(dir)
  stranger = await makeIdentity(dir, 'stranger.txt')
  store = createMemoryStore()
  const sink = createSink({ store, prefix: 'p/', attempt: 1, recipients: [identity.recipient] })
  artifact = await sink.storeBytes({ part: 'database', role: 'database', required: true, bytes: randomBytes(20_000_000) })
})
afterAll(() => rm(dir, { recursive: true, force: true }))

/** Hands the object out in pieces, and counts them. */
const inPieces = (damagedFrom = Number.POSITIVE_INFINITY): Reader => ({
  ...store,
  get: async (key) => {
    const body = Buffer.from(await readAll(store, key))
    if (damagedFrom < body.length) body.fill(0, damagedFrom, damagedFrom + 16)
    given = 0
    const pieces = function* () {
      for (let at = 0; at < body.length; at += CHUNK) {
        given += 1
        yield body.subarray(at, at + CHUNK)
      }
    }
    return Readable.from(pieces(), { objectMode: false })
  },
})
const all = () => Math.ceil(artifact.storedBytes / CHUNK)

describe('an artifact that is opened', () => {
  it('is read whole where it is small, and its beginning only where it is large', async () => {
    const options = { store: inPieces(), identityFile: identity.file }
    expect(await openArtifact(artifact, options)).toBe('whole')
    expect(given).toBe(all())
    expect(await openArtifact(artifact, { ...options, wholeUpTo: 1 })).toBe('beginning')
    expect(given).toBeLessThan(all())
  })

  it.each([1, undefined])('with a key that does not fit is told as such (read whole up to %s bytes)', async (wholeUpTo) => {
    const options = { store: inPieces(), identityFile: stranger.file, ...(wholeUpTo !== undefined && { wholeUpTo }) }
    await expect(openArtifact(artifact, options)).rejects.toMatchObject({ code: 'KEY_WRONG', object: artifact.key })
  })

  it('and is damaged at its beginning is told to be, however little is read', async () => {
    const options = { store: inPieces(1000), identityFile: identity.file, wholeUpTo: 1 }
    await expect(openArtifact(artifact, options)).rejects.toMatchObject({ code: 'INTEGRITY', object: artifact.key })
  })
})
