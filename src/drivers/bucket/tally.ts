/** What a point holds, in numbers and in one digest: what a proof computes again from what it finds. */
import { Blake3Hasher } from '@napi-rs/blake-hash'
import type { Inventory } from '../../core/records.ts'
import type { Entry } from './entries.ts'

export function createTally() {
  const contents = new Blake3Hasher()
  return {
    objects: 0,
    bytes: 0,
    add(entry: Entry) {
      this.objects += 1
      this.bytes += entry.size
      contents.update(contentLine(entry))
    },
    facts(): Inventory[string] {
      return { count: this.objects, bytes: this.bytes, contents: contents.digest('hex') }
    },
  }
}

/** Of a copy: the version, and what its store says of it. */
export function contentLine(entry: Pick<Entry, 'key' | 'size'> & ({ blake3: string } | { at: { version: string; etag: string } })): string {
  const what = 'at' in entry ? [entry.at.version, entry.at.etag] : [entry.blake3]
  return `${JSON.stringify([entry.key, entry.size, ...what])}\n`
}
