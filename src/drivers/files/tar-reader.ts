/**
 * Reads a tar stream of GNU tar's pax format while it passes: each member with what its header says and the digest of its
 * content, holes of sparse files included. A member may be left out of what is passed on.
 */
import { setImmediate as breath } from 'node:timers/promises'
import { Blake3Hasher } from '@napi-rs/blake-hash'
import { ByteReader, Outgoing } from './byte-reader.ts'
import { BLOCK, headerOf, isEnd, memberOf, type Member, paddedTo, paxRecords } from './tar-header.ts'

/** What becomes of a member: passed on, left out, or decided once all of it was seen. */
export type Fate = 'pass' | 'drop' | 'hold'

export interface Visitor {
  begin(member: Member): Fate | Promise<Fate>
  /** The bytes of a file as they are stored, holes left out. */
  content?(bytes: Buffer): void
  /** After its content; for one that is held: whether it is passed on. */
  end(member: Member, digest: string | undefined): boolean | undefined | Promise<boolean | undefined>
}

const CHUNK = 256 * 1024
const ZEROS = Buffer.alloc(1024 * 1024)
/** So many zeros are digested before others of this process have their turn. */
const TURN = 64 * 1024 * 1024

/** Yields what is passed on. Throws where the stream is no whole tar archive. */
export async function* passTar(stream: AsyncIterable<Buffer>, visitor: Visitor): AsyncGenerator<Buffer> {
  const reader = new ByteReader(stream)
  const out = new Outgoing(CHUNK)
  for (;;) {
    const prelude: Buffer[] = []
    let block = await reader.take(BLOCK)
    if (isEnd(block)) break
    let pax: Map<string, Buffer> | undefined
    for (let header = headerOf(block); header.extended; header = headerOf(block)) {
      const { size } = header
      const records = await reader.take(paddedTo(size))
      prelude.push(block, records)
      pax = paxRecords(records.subarray(0, size))
      block = await reader.take(BLOCK)
    }
    prelude.push(block)
    const member = memberOf(block, pax)
    const fate = await visitor.begin(member)
    if (fate === 'pass') yield* out.add(...prelude)
    const held: Buffer[] = prelude
    const digest = member.type === 'file' ? new Blake3Hasher() : undefined
    const content = member.sparse ? sparseContent : plainContent
    for await (const bytes of content(reader, member, digest, visitor)) {
      if (fate === 'pass') yield* out.add(bytes)
      else if (fate === 'hold') held.push(bytes)
    }
    const keep = await visitor.end(member, digest?.digest('hex'))
    if (fate === 'hold' && keep) yield* out.add(...held)
  }
  // To its end first: only there the one who gives it says whether it was whole.
  await reader.drain()
  yield* out.add(Buffer.alloc(2 * BLOCK))
  yield* out.flush()
}

type Content = (reader: ByteReader, member: Member, digest: Blake3Hasher | undefined, visitor: Visitor) => AsyncGenerator<Buffer>

const plainContent: Content = async function* (reader, { storedSize }, digest, visitor) {
  let left = storedSize
  while (left > 0) {
    const bytes = await reader.some(left)
    left -= bytes.length
    digest?.update(bytes)
    visitor.content?.(bytes)
    yield bytes
  }
  const padding = paddedTo(storedSize) - storedSize
  if (padding > 0) yield await reader.take(padding)
}

/** The map of the segments stands before them: their number, then offset and length of each, a line for each number. */
const sparseContent: Content = async function* (reader, { storedSize, size }, digest, visitor) {
  let left = storedSize
  const next = async function* (bytes: number): AsyncGenerator<Buffer> {
    for (let wanted = bytes; wanted > 0; ) {
      const some = await reader.some(wanted)
      wanted -= some.length
      left -= some.length
      yield some
    }
  }
  let map = ''
  const numbers = () => map.split('\n').slice(0, -1)
  const complete = () => numbers().length > 0 && numbers().length > 2 * Number(numbers()[0])
  while (!complete()) {
    const block = await reader.take(BLOCK)
    left -= BLOCK
    map += block.toString('latin1')
    yield block
  }
  const [count = 0, ...segments] = numbers().map(Number)
  let at = 0
  for (let index = 0; index < count; index += 1) {
    const [offset = 0, length = 0] = segments.slice(2 * index, 2 * index + 2)
    await digestZeros(digest, offset - at)
    for await (const bytes of next(length)) {
      digest?.update(bytes)
      visitor.content?.(bytes)
      yield bytes
    }
    at = offset + length
  }
  await digestZeros(digest, size - at)
  yield* next(left)
  const padding = paddedTo(storedSize) - storedSize
  if (padding > 0) yield await reader.take(padding)
}

async function digestZeros(digest: Blake3Hasher | undefined, count: number): Promise<void> {
  for (let done = 0; done < count; done += ZEROS.length) {
    digest?.update(ZEROS.subarray(0, Math.min(ZEROS.length, count - done)))
    if (done % TURN === 0) await breath()
  }
}
