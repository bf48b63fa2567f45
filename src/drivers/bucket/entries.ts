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

/** An object as a store says it is. */
export interface Facts extends Kept {
  key: string
  size: number
  etag: string
  version?: string
  modified: string
}

export interface Packed extends Facts {
  /** Name of the artifact that has its bytes, and where they begin there. */
  pack: string
  offset: number
  blake3: string
}

/** Its bytes are a version in a bucket. */
export interface Versioned extends Facts {
  at: { version: string; etag: string }
  /** Where they passed through Holdfast. */
  blake3?: string
}

export type Entry = Packed | Versioned

/** Stores list by the bytes of UTF-8, JavaScript compares by UTF-16. */
export function compareKeys(one: string, other: string): number {
  return one === other ? 0 : Buffer.compare(Buffer.from(one), Buffer.from(other))
}

export const lineOf = (entry: Facts): string => `${JSON.stringify(entry)}\n`

/** Of the kind that its point has. */
export async function* entriesOf<T extends Facts = Entry>(stream: Readable): AsyncGenerator<T> {
  const lines = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })
  // Readline does not pass on what went wrong with its input.
  const broken = new Promise<never>((_, reject) => stream.once('error', reject))
  broken.catch(() => {})
  const next = lines[Symbol.asyncIterator]()
  try {
    for (;;) {
      const line = await Promise.race([next.next(), broken])
      if (line.done) break
      yield parse<T>(line.value)
    }
    if (stream.errored) throw stream.errored
  } finally {
    lines.close()
    stream.destroy()
  }
}

function parse<T>(line: string): T {
  try {
    return JSON.parse(line) as T
  } catch (error) {
    throw new HoldfastError('INTEGRITY', 'the index of the point has a line that is not JSON', { object: 'index', cause: error })
  }
}
