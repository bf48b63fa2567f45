/** A bundle on the disk: one history after the other, never all of them in memory. */
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { extentOf, type IndexLine, indexPart } from './records.ts'

/** Where a restore puts a bundle. */
export const histories = (dir: string, part: string): string => join(dir, 'histories', part)

/** As long as a history can be, and more: a damaged length asks for no more memory than that. */
const MOST = 256 * 1024 * 1024

/** The bytes of each history. Throws INTEGRITY where the file ends within one. */
export async function* readBundle(file: string): AsyncGenerator<Buffer> {
  let held: Buffer = Buffer.alloc(0)
  const chunks: Buffer[] = []
  let more = 0
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) {
    chunks.push(chunk as Buffer)
    more += (chunk as Buffer).length
    if (more < missing(held)) continue
    held = Buffer.concat([held, ...chunks.splice(0)])
    more = 0
    for (let next = cut(held); next; next = cut(held)) {
      yield next.message
      held = next.rest
    }
  }
  if (held.length + more > 0) throw new HoldfastError('INTEGRITY', `${file} ends within a history`, { object: file })
}

/** How much more the first message needs. */
function missing(held: Buffer): number {
  const head = lengthAt(held)
  return head ? head.bytes + head.length - held.length : 0
}

function cut(held: Buffer): { message: Buffer; rest: Buffer } | undefined {
  const head = lengthAt(held)
  if (!head || held.length < head.bytes + head.length) return undefined
  const end = head.bytes + head.length
  return { message: held.subarray(head.bytes, end), rest: held.subarray(end) }
}

/** A length in groups of seven bits, the lowest first; undefined where it is not all there. */
function lengthAt(held: Buffer): { length: number; bytes: number } | undefined {
  let length = 0
  for (let at = 0; at < held.length; at += 1) {
    const byte = held[at] ?? 0
    length += (byte & 0x7f) * 2 ** (7 * at)
    if (length > MOST) throw new HoldfastError('INTEGRITY', `a history of ${length} bytes: this is no bundle`, { object: 'bundle' })
    if (byte < 0x80) return { length, bytes: at + 1 }
  }
  return undefined
}

export async function readIndex(bundle: string): Promise<{ lines: IndexLine[]; bytes: Buffer }> {
  const bytes = await readFile(indexPart(bundle))
  const lines = bytes.toString('utf8').split('\n').slice(0, -1)
  return { lines: lines.map((line) => JSON.parse(line) as IndexLine), bytes }
}

/** Each run that the point holds, and where its history is: in which file, as which of it. */
export async function* linesIn(manifest: Manifest, dir: string): AsyncGenerator<{ line: IndexLine; file: string; at: number }> {
  for (const part of Object.keys(extentOf(manifest).bundles).sort()) {
    const file = histories(dir, part)
    for (const [at, line] of (await readIndex(file)).lines.entries()) yield { line, file, at }
  }
}
