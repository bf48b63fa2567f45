/** The data: keys and values in memory, and in store/kv.db the entries that were applied since it was last written anew. */
import { appendFileSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { replaceFile } from '../files.ts'
import { type Entry, encode, readRecords } from './entry.ts'
import type { Snapshot } from './snapshot.ts'

interface Base {
  base: { index: number; entries: number; time: string | null }
}
type Row = [key: string, value: string]

export const storeFile = (dir: string): string => join(dir, 'store', 'kv.db')

export class Store {
  rows = new Map<string, string>()
  applied = 0
  entries = 0
  time: string | null = null
  private readonly file: string

  constructor(dir: string) {
    this.file = storeFile(dir)
    mkdirSync(dirname(this.file), { recursive: true })
    const records = readRecords<Base | Row | Entry>(this.file, { torn: true })
    for (const record of records) this.take(record)
    // A torn line goes; the log still has its entry.
    replaceFile(this.file, records.map(encode).join(''))
  }

  /** Once the entry is committed. */
  apply(entry: Entry): void {
    appendFileSync(this.file, encode(entry))
    this.take(entry)
  }

  /** Becomes what the snapshot holds; without one, empty. */
  load(snapshot: Snapshot | undefined): void {
    const { index, entries, time } = snapshot?.header ?? { index: 0, entries: 0, time: null }
    const rows = [...(snapshot?.rows ?? [])]
    replaceFile(this.file, [{ base: { index, entries, time } }, ...rows].map(encode).join(''))
    this.rows = new Map(rows)
    Object.assign(this, { applied: index, entries, time })
  }

  private take(record: Base | Row | Entry): void {
    if (Array.isArray(record)) this.rows.set(...record)
    else if ('base' in record) {
      this.applied = record.base.index
      this.entries = record.base.entries
      this.time = record.base.time
    } else {
      this.applied = record.index
      this.time = record.time
      if (record.key === undefined) return
      this.entries++
      if (typeof record.value === 'string') this.rows.set(record.key, record.value)
      else this.rows.delete(record.key)
    }
  }

  /** Rows of a table are keys that begin with its name and a slash; `kv` is all of them. */
  count(table: string): number {
    return table === 'kv' ? this.rows.size : [...this.rows.keys()].filter((key) => key.startsWith(`${table}/`)).length
  }
}
