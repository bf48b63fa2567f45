/** What the index of a point says of each object: a line of JSON for each, in the order in which stores list their keys. */
import type { Readable } from 'node:stream'
import { createInterface } from 'node:readline'
import { HoldfastError } from '../../core/errors.ts'

/** As the store keeps it for whoever asks for the object. */
export interface Kept {
  headers: Record<string, string>
  metadata: Record<string, string>
  tags: Record<string, string>
}

export interface Entry extends Kept {
  key: string
  size: number
  etag: string
  version?: string
  modified: string
  /** Name of the artifact that has its bytes, and where they begin there. */
  pack: string
  offset: number
  blake3: string
}

/** Stores list by the bytes of UTF-8, JavaScript compares by UTF-16. */
export function compareKeys(one: string, other: string): number {
  return one === other ? 0 : Buffer.compare(Buffer.from(one), Buffer.from(other))
}

export const lineOf = (entry: Entry): string => `${JSON.stringify(entry)}\n`

export async function* entriesOf(stream: Readable): AsyncGenerator<Entry> {
  const lines = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })
  // Readline does not pass on what went wrong with its input.
  const broken = new Promise<never>((_, reject) => stream.once('error', reject))
  broken.catch(() => {})
  const next = lines[Symbol.asyncIterator]()
  try {
    for (;;) {
      const line = await Promise.race([next.next(), broken])
      if (line.done) break
      yield parse(line.value)
    }
    if (stream.errored) throw stream.errored
  } finally {
    lines.close()
    stream.destroy()
  }
}

function parse(line: string): Entry {
  try {
    return JSON.parse(line) as Entry
  } catch (error) {
    throw new HoldfastError('INTEGRITY', 'the index of the point has a line that is not JSON', { object: 'index', cause: error })
  }
}
