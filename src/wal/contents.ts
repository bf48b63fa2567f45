/** What an archive holds: the segments of each timeline, and where segments are missing between two that are there. */
import { type Archive, branchesOf, DEFAULT_SEGMENT_BYTES, runsOf, segmentName, wayOf } from '../core/wal.ts'
import { archivePrefix, parseWalKey, parseWalName } from './names.ts'
import { findRecord, type ReadingArchive } from './record.ts'
import { readSeries, type Series } from './series.ts'
import { type Unreadable, unreadableOf } from './unreadable.ts'

export interface Timeline {
  timeline: number
  segments: number
  first: string
  last: string
  /** When the last of them was archived. */
  lastAt: string
  storedBytes: number
}

/** Segments that are missing: no recovery gets past `from` on this way. */
export interface Gap {
  from: string
  to: string
  segments: number
}

export interface Contents {
  segmentBytes: number
  timelines: Timeline[]
  gaps: Gap[]
  /** When the newest of all files was archived; null where nothing is. */
  newestAt: string | null
  /** Partial segments, backup labels, histories, and what other engines archived. */
  others: number
  /** Of other engines, as far as their names tell an order. */
  series: Series[]
  /** Of other engines, with names of which nobody can tell whether any are missing between them. */
  unread: number
  /** Objects that no record names: of pushes under way, or that were killed. */
  unrecorded: number
  /** Where every record was read. What only such a record tells is left out of all else. */
  unreadable?: Unreadable[]
}

export interface ContentsOptions {
  /** What segments of another engine look like, where the configuration says it. */
  names?: string | undefined
  /** Reads every record; else a file is taken for whole by its name. */
  records?: boolean
  signal?: AbortSignal
}

export interface Held {
  name: string
  /** Of what has no record: when its newest object was stored. */
  archivedAt: Date
  storedBytes: number
  /** Keys of what is stored of it, but for its record. */
  objects: string[]
}

export async function contentsOf(archive: ReadingArchive, { names, records = false, signal }: ContentsOptions = {}): Promise<Contents> {
  const { held, unrecorded } = await heldIn(archive)
  const unreadable = records ? await unreadableOf(archive, namesOf(held), signal) : []
  const lost = new Set(unreadable.map(({ name }) => name))
  const readable = held.filter(({ name }) => !lost.has(name))
  const segments = held.filter(isSegment)
  const wal: Archive = {
    segmentBytes: await segmentBytesOf(archive, readable.filter(isSegment).at(-1)),
    segments: segments.map(({ name, archivedAt }) => ({ wal: name, storedAt: archivedAt.toISOString() })),
    histories: await historiesOf(archive, readable),
  }
  const { series, unread: untold } = readSeries(
    namesOf(held).filter((name) => parseWalName(name).kind === 'other'),
    names,
  )
  return {
    segmentBytes: wal.segmentBytes,
    timelines: timelinesOf(segments),
    gaps: gapsOf(wal),
    newestAt: newestOf(held),
    others: held.length - segments.length,
    series,
    unread: untold.length,
    unrecorded: unrecorded.length,
    ...(records && { unreadable }),
  }
}

const namesOf = (held: readonly Held[]): string[] => held.map(({ name }) => name)
const isSegment = ({ name }: Held): boolean => parseWalName(name).kind === 'segment'

function newestOf(held: readonly Held[]): string | null {
  const times = held.map(({ archivedAt }) => archivedAt.getTime())
  return times.length === 0 ? null : new Date(times.reduce((one, other) => Math.max(one, other))).toISOString()
}

/** Every name that is archived, and what stands there under a name without a record. */
export async function heldIn({ archive, store }: Pick<ReadingArchive, 'archive' | 'store'>): Promise<{ held: Held[]; unrecorded: Held[] }> {
  const found = new Map<string, Held & { record?: Date }>()
  for await (const { key, size, modified } of store.list(archivePrefix(archive))) {
    const place = parseWalKey(archive, key)
    if (!place) continue
    const entry = found.get(place.name) ?? { name: place.name, archivedAt: modified, storedBytes: 0, objects: [] }
    found.set(place.name, entry)
    if (place.isRecord) entry.record = modified
    else {
      entry.storedBytes += size
      entry.objects.push(key)
    }
    if (modified > entry.archivedAt) entry.archivedAt = modified
  }
  const held: Held[] = []
  const unrecorded: Held[] = []
  for (const { record, ...file } of found.values()) {
    if (record) held.push({ ...file, archivedAt: record })
    else unrecorded.push(file)
  }
  return { held, unrecorded }
}

/** All segments of a cluster have the size that it was made with. */
async function segmentBytesOf(archive: ReadingArchive, newest: Held | undefined): Promise<number> {
  const record = newest && (await findRecord(archive, parseWalName(newest.name)))
  return record?.artifact.plainBytes ?? DEFAULT_SEGMENT_BYTES
}

async function historiesOf(archive: ReadingArchive, held: Held[]): Promise<Archive['histories']> {
  const histories: Archive['histories'] = {}
  for (const name of held.map((each) => parseWalName(each.name))) {
    if (name.kind !== 'history' || name.timeline === undefined) continue
    const record = await findRecord(archive, name)
    if (record?.history) histories[name.timeline] = record.history
  }
  return histories
}

function timelinesOf(segments: Held[]): Timeline[] {
  const timelines = new Map<number, Timeline>()
  for (const { name, archivedAt, storedBytes } of [...segments].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const { timeline = 0 } = parseWalName(name)
    const before = timelines.get(timeline) ?? { timeline, segments: 0, first: name, last: name, lastAt: '', storedBytes: 0 }
    timelines.set(timeline, {
      ...before,
      segments: before.segments + 1,
      last: name,
      lastAt: archivedAt.toISOString(),
      storedBytes: before.storedBytes + storedBytes,
    })
  }
  return [...timelines.values()]
}

/** On the way to each timeline that ends somewhere of its own; what two ways share is told once. */
export function gapsOf(archive: Archive): Gap[] {
  const gaps = new Map<string, Gap>()
  for (const timeline of branchesOf(archive)) {
    const way = wayOf(timeline, archive)
    const nameAt = (number: number) => {
      const on = way.find(({ from, to }) => from <= number && number <= to)?.timeline ?? timeline
      return segmentName({ timeline: on, number }, archive.segmentBytes)
    }
    const runs = runsOf(timeline, archive)
    for (const [index, { first }] of runs.entries()) {
      const before = runs[index - 1]
      if (!before) continue
      const [from, to] = [before.last.number + 1, first.number - 1]
      gaps.set(`${nameAt(from)} ${nameAt(to)}`, { from: nameAt(from), to: nameAt(to), segments: to - from + 1 })
    }
  }
  return [...gaps.values()].sort((a, b) => (a.from < b.from ? -1 : 1))
}
