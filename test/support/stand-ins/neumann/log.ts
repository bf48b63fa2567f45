/** The write-ahead log: segments on disk, and in memory what is newer than the base. */
import { appendFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Entry, type Place, encode, readRecords } from './entry.ts'

export interface Segment extends Range {
  name: string
  path: string
}
interface Range {
  first: number
  last: number
}
const OPEN = 'open.wal'
const padded = (index: number) => String(index).padStart(20, '0')

/** `<first>-<last>.wal`: of committed entries, equal names mean equal bytes, whichever node wrote them. */
export const segmentName = ({ first, last }: Range): string => `${padded(first)}-${padded(last)}.wal`

/** The closed segments of a folder, oldest first; a folder that was only just restored has none. */
export function segmentsIn(dir: string): Segment[] {
  return (existsSync(dir) ? readdirSync(dir) : []).sort().flatMap((name) => {
    const [, first, last] = /^(\d{20})-(\d{20})\.wal$/.exec(name) ?? []
    return first && last ? [{ name, path: join(dir, name), first: Number(first), last: Number(last) }] : []
  })
}

export class Log {
  /** The entry before the first that is in memory: a snapshot covers it. */
  base: Place
  private entries: Entry[] = []
  private readonly dir: string
  private readonly segmentBytes: number
  private open: { first: number; bytes: number; since: number } | undefined

  /** Reads what there is; entries up to `base` are left on disk for the archive. */
  constructor(dir: string, base: Place, segmentBytes: number) {
    this.dir = dir
    this.base = base
    this.segmentBytes = segmentBytes
    mkdirSync(dir, { recursive: true })
    const closed = this.closed.flatMap(({ path }) => readRecords<Entry>(path))
    const open = readRecords<Entry>(this.openFile, { torn: true })
    this.entries = [...closed, ...open].filter(({ index }) => index > base.index)
    const [first] = this.entries
    if (first && first.index !== base.index + 1)
      throw new Error(`the log begins at ${first.index}, but the newest snapshot ends at ${base.index}`)
    // Written anew, so that nothing is appended to a torn line.
    rmSync(this.openFile, { force: true })
    this.write(open)
  }

  private get openFile(): string {
    return join(this.dir, OPEN)
  }

  get closed(): Segment[] {
    return segmentsIn(this.dir)
  }

  get last(): Place {
    return this.entries.at(-1) ?? this.base
  }

  get lastTime(): string | undefined {
    return this.entries.at(-1)?.time
  }

  /** Undefined where it is not in memory. */
  termAt(index: number): number | undefined {
    return index === this.base.index ? this.base.term : this.entries[index - this.base.index - 1]?.term
  }

  from(index: number, limit = 500): Entry[] {
    const at = index - this.base.index - 1
    return this.entries.slice(at, at + limit)
  }

  append(entries: readonly Entry[]): void {
    this.write(entries)
    this.entries.push(...entries)
    if (this.open && this.open.bytes >= this.segmentBytes) this.closeSegment()
  }

  private write(entries: readonly Entry[]): void {
    const [first] = entries
    if (!first) return
    const lines = entries.map(encode).join('')
    this.open ??= { first: first.index, bytes: 0, since: performance.now() }
    appendFileSync(this.openFile, lines)
    this.open.bytes += Buffer.byteLength(lines)
  }

  closeIfOlderThan(ms: number): void {
    if (this.open && performance.now() - this.open.since >= ms) this.closeSegment()
  }

  private closeSegment(): void {
    if (this.open) renameSync(this.openFile, join(this.dir, segmentName({ first: this.open.first, last: this.last.index })))
    this.open = undefined
  }

  /** Removes what was never committed, from this index on. */
  truncate(from: number): void {
    const affected = [...this.closed.filter(({ last }) => last >= from).map(({ path }) => path), this.openFile]
    const kept = affected.flatMap((path) => readRecords<Entry>(path)).filter(({ index }) => index < from)
    for (const path of affected) rmSync(path, { force: true })
    this.open = undefined
    this.entries = this.entries.filter(({ index }) => index < from)
    this.write(kept)
  }

  /** After a snapshot that came from elsewhere. */
  reset(base: Place): void {
    for (const path of [...this.closed.map((segment) => segment.path), this.openFile]) rmSync(path, { force: true })
    this.open = undefined
    this.entries = []
    this.base = base
  }

  /** Forgets entries up to the index, and removes their segments up to `archived`. */
  dropThrough(index: number, archived: number): void {
    const term = this.termAt(index)
    if (term !== undefined) {
      this.entries = this.from(index + 1, Number.POSITIVE_INFINITY)
      this.base = { index, term }
    }
    for (const { last, path } of this.closed) if (last <= Math.min(this.base.index, archived)) rmSync(path)
  }
}
