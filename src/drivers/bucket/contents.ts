/** What a restore brings back, wherever its bytes are. */
import type { Origin } from './client.ts'
import type { Entry, Facts } from './entries.ts'
import type { Writing } from './put-object.ts'

/** What is done with one object; it has taken the whole body when it resolves. */
export type Put = (entry: Facts, body: AsyncIterable<Buffer>) => Promise<void>

/** A bucket that is written to, below a prefix. */
export interface Into extends Writing {
  origin: Origin
  below: string
}

/** The entries come in the order of the index. `work` is a folder for lists, which is removed again. */
export interface Contents {
  /** Its index, as a new file. */
  fetchIndex(path: string): Promise<void>
  extract(work: string, entries: AsyncIterable<Entry>, put: Put): Promise<void>
  /** Throws what would stop a restore in the middle. Writes nothing. */
  check(work: string, entries: AsyncIterable<Entry>): Promise<void>
  write(work: string, entries: AsyncIterable<Entry>, into: Into): Promise<void>
}
