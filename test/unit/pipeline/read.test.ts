import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Artifact } from '../../../src/core/records.ts'
import { createSink } from '../../../src/pipeline/capture.ts'
import { createSource } from '../../../src/pipeline/read.ts'
import { readBack } from '../../../src/pipeline/read-back.ts'
import type { Command } from '../../../src/process/command.ts'
import { run } from '../../../src/process/run.ts'
import { createMemoryStore, type MemoryStore } from '../../../src/storage/memory.ts'
import { readAll, type Reader } from '../../../src/storage/store.ts'
import { type Identity, makeIdentity } from '../../support/age.ts'

const shell = (script: string): Command => ({ program: 'sh', args: ['-c', script] })
const TEXT = shell('seq 1 300000')

let dir: string
let identity: Identity
let stranger: Identity
let store: MemoryStore
let artifact: Artifact
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-read-'))
  identity = await makeIdentity(dir)
  stranger = await makeIdentity(dir, 'stranger.txt')
})
afterAll(() => rm(dir, { recursive: true, force: true }))
beforeEach(async () => {
  store = createMemoryStore()
  artifact = await sink().store({ part: 'database', role: 'database', required: true, stages: [TEXT] })
})

const sink = () => createSink({ store, prefix: 'p/', attempt: 1, recipients: [identity.recipient] })
const source = (reader: Reader = store, identityFile: string | undefined = identity.file) => createSource({ store: reader, identityFile })

async function damage(change: (body: Buffer) => Buffer): Promise<void> {
  store.overwrite(artifact.key, change(Buffer.from(await readAll(store, artifact.key))))
}
const flip = (at: (length: number) => number) =>
  damage((body) => {
    const index = at(body.length)
    body[index] = (body[index] as number) ^ 1
    return body
  })
/** Damage that the store itself does not see: its checksum is as the manifest says. */
const unseen = (): Reader => ({ ...store, head: async (key) => ({ key, size: artifact.storedBytes, modified: new Date() }) })

describe('a whole artifact', () => {
  it('is fed to a program', async () => {
    const file = join(dir, 'fed')
    await source().feed(artifact, shell(`cat > ${file}`))
    expect(await readFile(file, 'utf8')).toBe((await run(TEXT)).stdout)
  })

  it('is written to a file, and read as a stream', async () => {
    const file = join(dir, 'written')
    await source().toFile(artifact, file)
    const chunks: Buffer[] = []
    for await (const chunk of await source().read(artifact)) chunks.push(chunk as Buffer)
    expect(Buffer.concat(chunks).equals(await readFile(file))).toBe(true)
    expect(await readFile(file, 'utf8')).toBe((await run(TEXT)).stdout)
  })

  it('is read back, which counts what it holds', async () => {
    expect(await readBack(store, artifact, { identityFile: identity.file })).toEqual({
      storedBytes: artifact.storedBytes,
      plainBytes: (await run(TEXT)).stdout.length,
    })
  })

  it('that is stored open needs no key', async () => {
    const open = await createSink({ store, prefix: 'q/', attempt: 1, recipients: [] }).store({
      part: 'x',
      role: 'x',
      required: true,
      stages: [TEXT],
    })
    await createSource({ store }).feed(open, shell('cat > /dev/null'))
  })
})

describe('a key', () => {
  it('that is another one is KEY_WRONG', async () => {
    await expect(source(store, stranger.file).feed(artifact, shell('cat > /dev/null'))).rejects.toMatchObject({
      code: 'KEY_WRONG',
      object: artifact.key,
    })
    await expect(readBack(store, artifact, { identityFile: stranger.file })).rejects.toMatchObject({ code: 'KEY_WRONG' })
  })

  it('that is no key at all is KEY_WRONG', async () => {
    const file = join(dir, 'junk.txt')
    await writeFile(file, 'not a key\n')
    await expect(source(store, file).feed(artifact, shell('cat > /dev/null'))).rejects.toMatchObject({ code: 'KEY_WRONG' })
  })

  it('that is missing is KEY_MISSING and names the file', async () => {
    await expect(source(store, join(dir, 'none')).feed(artifact, shell('cat'))).rejects.toMatchObject({
      code: 'KEY_MISSING',
      object: join(dir, 'none'),
    })
    await expect(createSource({ store }).feed(artifact, shell('cat'))).rejects.toMatchObject({ code: 'KEY_MISSING', object: artifact.key })
  })
})

describe('damage is INTEGRITY, names the object, and fails the restore', () => {
  const consume = shell('cat > /dev/null; exit 0')
  const refused = async (reader: Reader = store) =>
    expect(source(reader).feed(artifact, consume)).rejects.toMatchObject({ code: 'INTEGRITY', object: artifact.key })

  it('when a bit of the contents is flipped', async () => {
    await flip((length) => length - 200)
    await refused()
    await refused(unseen())
    await expect(readBack(unseen(), artifact, { identityFile: identity.file })).rejects.toMatchObject({ code: 'INTEGRITY' })
  })

  it('when a bit of the header is flipped, which looks like a wrong key', async () => {
    // So large that age gives up long before its end is there.
    artifact = await createSink({ store, prefix: 'large/', attempt: 1, recipients: [identity.recipient] }).store({
      part: 'database',
      role: 'database',
      required: true,
      stages: [shell('head -c 20M /dev/urandom')],
    })
    await flip(() => 60)
    await refused(unseen())
  })

  it('when the end is cut off', async () => {
    await damage((body) => body.subarray(0, body.length - 70_000))
    await refused()
    await refused(unseen())
  })

  it('when it is missing', async () => {
    await store.delete(artifact.key)
    await refused()
  })

  it('when a valid object of another point stands in its place, though every program exits 0', async () => {
    const other = await createSink({ store, prefix: 'other/', attempt: 1, recipients: [identity.recipient] }).store({
      part: 'database',
      role: 'database',
      required: true,
      stages: [shell('seq 300001 600000')],
    })
    store.overwrite(artifact.key, await readAll(store, other.key))
    await refused()
    artifact = { ...artifact, storedBytes: other.storedBytes }
    await refused(unseen())
  })

  it('and leaves no file behind that could be taken for whole', async () => {
    await flip((length) => length - 200)
    const file = join(dir, 'damaged')
    await expect(source(unseen()).toFile(artifact, file)).rejects.toMatchObject({ code: 'INTEGRITY' })
    expect((await readdir(dir)).filter((name) => name.startsWith('damaged'))).toEqual([])
  })
})

describe('a download that breaks', () => {
  /** Gives `bytes` at each request, then an error, `times` times. */
  function breaking(times: number, bytes: number): { reader: Reader; starts: number[] } {
    const starts: number[] = []
    const reader: Reader = {
      ...store,
      async get(key, options = {}) {
        const start = options.start ?? 0
        starts.push(start)
        if (starts.length > times) return store.get(key, options)
        const body = (await readAll(store, key)).subarray(start, start + bytes)
        return Readable.from(
          (async function* () {
            yield body
            throw new Error('the connection was reset')
          })(),
          { objectMode: false },
        )
      },
    }
    return { reader, starts }
  }

  it('goes on at the byte where it stopped', async () => {
    const { reader, starts } = breaking(3, 40_000)
    const file = join(dir, 'resumed')
    await source(reader).toFile(artifact, file)
    expect(starts).toEqual([0, 40_000, 80_000, 120_000])
    expect(await readFile(file, 'utf8')).toBe((await run(TEXT)).stdout)
  })

  it('again and again ends with an error', async () => {
    const { reader, starts } = breaking(1_000, 10)
    await expect(
      createSource({ store: reader, identityFile: identity.file, resumes: 3 }).feed(artifact, shell('cat > /dev/null')),
    ).rejects.toMatchObject({ code: 'STORE_UNREACHABLE', object: artifact.key })
    expect(starts).toEqual([0, 10, 20, 30])
  })
})

it('a consumer that fails is blamed itself', async () => {
  await expect(source().feed(artifact, shell('cat > /dev/null; echo no room for this >&2; exit 4'))).rejects.toMatchObject({
    code: 'PROCESS_FAILED',
    details: { exitCode: 4 },
  })
})

it('a consumer that fails at once is blamed, not those that it cut off', async () => {
  for (let round = 0; round < 10; round += 1) {
    await expect(source().feed(artifact, shell('echo no such table >&2; exit 4'))).rejects.toMatchObject({
      code: 'PROCESS_FAILED',
      message: expect.stringContaining('no such table'),
      details: { exitCode: 4 },
    })
  }
})

it('a consumer that stops reading early fails, though it exited 0', async () => {
  for (let round = 0; round < 10; round += 1) {
    await expect(source().feed(artifact, shell('head -c 10 > /dev/null'))).rejects.toMatchObject({ code: 'PROCESS_FAILED' })
  }
})

it('a cancelled restore stops its programs', async () => {
  const cancel = new AbortController()
  const reading = createSource({ store, identityFile: identity.file, signal: cancel.signal }).feed(
    artifact,
    shell('cat > /dev/null; sleep 60'),
  )
  setImmediate(() => cancel.abort())
  await expect(reading).rejects.toMatchObject({ code: 'CANCELLED' })
})
