/** Objects out of their packs: each pack is read once, from its beginning, and each object compared with its digest. */
import { appendFile, mkdir, rm } from 'node:fs/promises'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { Blake3Hasher } from '@napi-rs/blake-hash'
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import type { ArtifactSource } from '../driver.ts'
import { packsOf } from './capture.ts'
import type { Contents, Put } from './contents.ts'
import { type Entry, entriesOf, lineOf, type Packed } from './entries.ts'
import { damaged, fetchIndex, type Point } from './indexed.ts'
import { createPool } from './pool.ts'
import { putObject } from './put-object.ts'

/** Taken whole into memory, several at once. */
const SMALL = 1024 * 1024
const WIDTH = 8
const GATHERED = 4 * 1024 * 1024

/** What a point has in packs of its own and of those before it. */
export function packedContents(point: Point): Contents {
  return {
    fetchIndex: (path) => fetchIndex(point, path),
    extract: (work, entries, put) => extract(point, work, entries, put),
    check: (work, entries) =>
      extract(point, work, entries, async (_, body) => {
        for await (const _chunk of body) point.context.signal.throwIfAborted()
      }),
    write: (work, entries, { below, ...writing }) =>
      extract(point, work, entries, async (entry, body) => {
        await putObject(writing, below + entry.key, entry, body)
      }),
  }
}

/** The entries come in the order of the index. `work` is a folder for lists, which is removed again. */
async function extract(point: Point, work: string, entries: AsyncIterable<Entry>, put: Put): Promise<void> {
  try {
    await splitByPack(point.manifest, entries, work)
    for (const [name, artifact] of packsOf(point.manifest)) {
      const wanted = join(work, name)
      const stream = createReadStream(wanted)
      if (!(await exists(stream))) continue
      await unpack(point, new PackReader(await point.source.read(artifact), name), entriesOf<Packed>(stream), put)
      await rm(wanted)
    }
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

function exists(stream: ReturnType<typeof createReadStream>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    stream.once('open', () => resolve(true))
    stream.once('error', (error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? resolve(false) : reject(error)))
  })
}

/** An incremental point's index goes to and fro between packs; in each of them its keys are in order. */
async function splitByPack(manifest: Manifest, entries: AsyncIterable<Entry>, work: string): Promise<void> {
  await rm(work, { recursive: true, force: true })
  await mkdir(work, { recursive: true, mode: 0o700 })
  const lists = new Map<string, string[]>()
  let gathered = 0
  const flush = async () => {
    for (const [name, lines] of lists) await appendFile(join(work, name), lines.join(''))
    lists.clear()
    gathered = 0
  }
  for await (const entry of entries) {
    if (!('pack' in entry)) throw damaged(manifest, `names no pack for ${entry.key}`)
    const line = lineOf(entry)
    const list = lists.get(entry.pack) ?? []
    list.push(line)
    lists.set(entry.pack, list)
    gathered += line.length
    if (gathered >= GATHERED) await flush()
  }
  await flush()
}

async function unpack({ context, manifest }: Point, pack: PackReader, wanted: AsyncIterable<Packed>, put: Put): Promise<void> {
  const pool = createPool(WIDTH)
  let objects = 0
  let bytes = 0
  try {
    for await (const entry of wanted) {
      context.signal.throwIfAborted()
      await pack.skipTo(entry.offset)
      const body = checked(manifest, entry, pack.take(entry.size))
      if (entry.size > SMALL) await put(entry, body)
      else {
        const whole = await buffer(body)
        await pool.run(() => put(entry, one(whole)))
      }
      objects += 1
      bytes += entry.size
      context.onProgress({ phase: pack.name, parts: objects, bytes })
    }
    // To its end: then all of what is stored was compared.
    await pack.drain()
  } finally {
    pack.close()
    await pool.end()
  }
}

async function* one(bytes: Buffer): AsyncGenerator<Buffer> {
  if (bytes.length > 0) yield bytes
}

async function* checked(manifest: Manifest, { key, blake3 }: Packed, body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const hasher = new Blake3Hasher()
  for await (const chunk of body) {
    hasher.update(chunk)
    yield chunk
  }
  if (hasher.digest('hex') !== blake3) throw damaged(manifest, `has other bytes for ${key} than its index says`)
}

class PackReader {
  readonly name: string
  readonly #stream: Awaited<ReturnType<ArtifactSource['read']>>
  readonly #chunks: AsyncIterator<Buffer>
  #buffer: Buffer = Buffer.alloc(0)
  #at = 0

  constructor(stream: Awaited<ReturnType<ArtifactSource['read']>>, name: string) {
    this.name = name
    this.#stream = stream
    this.#chunks = stream[Symbol.asyncIterator]()
  }

  async *take(bytes: number): AsyncGenerator<Buffer> {
    for (let left = bytes; left > 0; ) {
      if (this.#buffer.length === 0) await this.#fill()
      const piece = this.#buffer.subarray(0, left)
      this.#buffer = this.#buffer.subarray(piece.length)
      this.#at += piece.length
      left -= piece.length
      yield piece
    }
  }

  async skipTo(offset: number): Promise<void> {
    if (offset < this.#at)
      throw new HoldfastError('INTEGRITY', `the index has two objects at one place of ${this.name}`, { object: this.name })
    for await (const _ of this.take(offset - this.#at));
  }

  async drain(): Promise<void> {
    while (!(await this.#chunks.next()).done);
  }

  close(): void {
    this.#stream.destroy()
  }

  async #fill(): Promise<void> {
    const { done, value } = await this.#chunks.next()
    if (done) throw new HoldfastError('INTEGRITY', `${this.name} ends before what its index says`, { object: this.name })
    this.#buffer = value
  }
}
