/** The archive of the cluster's log: which entries it has, where some are missing, and how a replay gets its segments. */
import { copyFile, mkdir, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { byEntries, entriesOf, type Gap, gapsIn } from '../../core/log.ts'
import type { LogSegment } from '../../core/log-expiry.ts'
import type { Manifest } from '../../core/records.ts'
import { type Held, heldIn } from '../../wal/contents.ts'
import { readWhole } from '../../wal/elsewhere.ts'
import { fetchWal } from '../../wal/fetch.ts'
import { parseWalName } from '../../wal/names.ts'
import { findRecord } from '../../wal/record.ts'
import type { DriverContext, DriverWiring, RestoreTarget } from '../driver.ts'
import { NAMES, type RaftClusterConfig } from './config.ts'
import type { Origin } from './node.ts'
import { fact } from './parts.ts'

export interface Times {
  /** By whoever archived it: a store may have it since later. */
  archivedAt: Date
  /** All entries up to then are in it or in those before it; a segment that was shipped late is of long before. */
  wholeUntil: Date
}

export interface WalArchive {
  name: string
  /** In the order of their entries. */
  segments: LogSegment[]
  /** The repository of a copy that is read in its place: it ends where the last run that copied has brought it. */
  copyIn?: string
  /** What could not be read where it was looked for first. */
  damaged: string[]
  times(segment: LogSegment): Promise<Times>
  fetch(segment: LogSegment, into: string, signal: AbortSignal): Promise<void>
}

type Wal = NonNullable<RaftClusterConfig['wal']>

/** As a point names it: the names of segments do not tell one history from another, so that each has an archive of its own. */
export const archiveNameOf = (wal: Wal): string => ('archive' in wal ? wal.archive : wal.dir)

export const namesOf = (wal: RaftClusterConfig['wal']): string => wal?.names ?? NAMES

type From = Pick<Origin, 'config' | 'archive'>

/** By the name that a point gives it, which may be one of before the cluster was restored. */
export async function openArchive({ config, archive }: From, name: string, options?: { together?: boolean }): Promise<WalArchive> {
  const names = namesOf(config.wal)
  return name.startsWith('/') ? fromFolder(name, names) : fromRepository(name, names, archive, options)
}

/** The one that the cluster writes now. */
export function archiveOfSource({ wal }: Pick<RaftClusterConfig, 'wal'>): string {
  if (wal) return archiveNameOf(wal)
  throw new HoldfastError('TARGET_OUT_OF_RANGE', 'the source has no archive of its log: there is no point in time to choose', {
    object: 'wal',
    next: 'choose a recovery point by its id; for points in time name the archive under wal',
  })
}

async function fromRepository(
  name: string,
  names: string,
  open: DriverWiring['archive'],
  options?: { together?: boolean },
): Promise<WalArchive> {
  if (!open) throw new HoldfastError('UNEXPECTED', 'nobody gave the driver a way to its archive', { object: name })
  const archive = await open(name, options)
  const { held } = await heldIn(archive)
  const damaged: string[] = []
  return {
    name,
    damaged,
    segments: segmentsOf(names, held),
    ...(archive.copyIn !== undefined && { copyIn: archive.copyIn }),
    async times(segment) {
      const { found: record } = await readWhole(archive, (place) => findRecord(place, parseWalName(segment.name)))
      const archivedAt = record ? new Date(record.archivedAt) : segment.archivedAt
      const writtenAt = record?.writtenAt === undefined ? archivedAt : new Date(record.writtenAt)
      return { archivedAt, wholeUntil: new Date(Math.min(writtenAt.getTime(), archivedAt.getTime())) }
    },
    async fetch(segment, into, signal) {
      const path = join(into, segment.name)
      const { found, instead } = await readWhole(archive, (place) => fetchWal(place, segment.name, path, signal))
      if (instead) damaged.push(`${instead.why}; it was read from ${instead.place.copyIn ?? 'its own repository'}`)
      if (found) return
      throw new HoldfastError('TARGET_OUT_OF_RANGE', `${segment.name} was taken out of ${name} meanwhile`, { object: segment.name })
    },
  }
}

async function fromFolder(dir: string, names: string): Promise<WalArchive> {
  const there = await readdir(dir).catch((error: unknown) => {
    throw new HoldfastError('SOURCE_UNREACHABLE', `the archive ${dir} cannot be read: ${messageOf(error)}`, {
      object: dir,
      next: 'mount it on the worker, or correct wal.dir',
    })
  })
  const segments = await Promise.all(there.map(async (name) => segmentOf(names, name, (await stat(join(dir, name))).mtime)))
  return {
    name: dir,
    segments: inOrder(segments),
    damaged: [],
    times: async ({ archivedAt }) => ({ archivedAt, wholeUntil: archivedAt }),
    fetch: (segment, into) => copyFile(join(dir, segment.name), join(into, segment.name)),
  }
}

function segmentOf(names: string, name: string, archivedAt: Date): LogSegment | undefined {
  const entries = entriesOf(new RegExp(names), name)
  return entries && { name, ...entries, archivedAt }
}

/** In the order of their entries; what has no such name is none. */
export const segmentsOf = (names: string, held: readonly Held[]): LogSegment[] =>
  inOrder(held.map(({ name, archivedAt }) => segmentOf(names, name, archivedAt)))

const inOrder = (segments: readonly (LogSegment | undefined)[]): LogSegment[] =>
  segments.filter((segment) => segment !== undefined).sort(byEntries)

export interface Way {
  /** Those that have entries after the beginning, up to the first gap. */
  segments: LogSegment[]
  /** The last entry that can be reached. */
  through: number
  gap?: Gap
}

/** On from an entry: segments of two leaders may overlap. */
export function wayFrom(index: number, segments: readonly LogSegment[]): Way {
  const way: Way = { segments: [], through: index }
  for (const segment of segments) {
    if (segment.last <= way.through) continue
    if (segment.first > way.through + 1) return { ...way, gap: { from: way.through + 1, to: segment.first - 1 } }
    way.segments.push(segment)
    way.through = segment.last
  }
  return way
}

export interface Route extends Way {
  archive: WalArchive
  wholeUntil: Date
}

/** The way from a point; throws TARGET_OUT_OF_RANGE where entries that may belong to the target are missing. */
export async function routeTo(from: From, to: RestoreTarget, manifest: Manifest): Promise<Route> {
  requireTime(to)
  if (to.time !== undefined && Date.parse(to.time) < Date.parse(manifest.consistency.time))
    throw new HoldfastError('TARGET_OUT_OF_RANGE', `${manifest.id} is of ${manifest.consistency.time}, later than ${to.time}`, {
      object: manifest.id,
      next: 'choose an older recovery point',
    })
  const { archive, ...way } = await wayOf(from, manifest)
  const last = way.segments.pop()
  const times = last && (await archive.times(last))
  if (times) way.segments.push({ ...last, archivedAt: times.archivedAt })
  const wholeUntil = times?.wholeUntil ?? new Date(manifest.consistency.time)
  // For a target before the end of what lies before the gap nothing may be missing, and the replay will tell.
  if (way.gap && (to.time === undefined || Date.parse(to.time) >= wholeUntil.getTime())) throw gapped(archive.name, way.gap)
  return { ...way, archive, wholeUntil }
}

/** A copy is kept by the needs of the points beside it: it may have what its own repository has not any more. */
async function wayOf(from: From, manifest: Manifest): Promise<Way & Pick<Route, 'archive'>> {
  const [name, index] = [archiveOfPoint(manifest), Number(fact(manifest, 'snapshot', 'index'))]
  const archive = await openArchive(from, name)
  const way = wayFrom(index, archive.segments)
  if (!way.gap) return { ...way, archive }
  const whole = await openArchive(from, name, { together: true })
  return { ...wayFrom(index, whole.segments), archive: whole }
}

/** What whoever restores by a copy of the log has to know. */
export function notesOf({ archive, segments, through }: Route): string[] {
  if (archive.copyIn === undefined) return []
  const end = segments.at(-1)
  const until = end ? `, archived at ${end.archivedAt.toISOString()}` : ''
  return [`the log was read from its copy in ${archive.copyIn}, which goes to entry ${through}${until}: what came after is not in it`]
}

function archiveOfPoint(manifest: Manifest): string {
  const own = fact(manifest, 'wal', 'archive')
  if (typeof own === 'string') return own
  throw new HoldfastError('TARGET_OUT_OF_RANGE', `${manifest.id} goes with no archive of the log`, {
    object: manifest.id,
    next: 'choose a moment after a backup that was taken with an archive under wal',
  })
}

export function gapped(name: string, { from, to }: Gap): HoldfastError {
  return new HoldfastError('TARGET_OUT_OF_RANGE', `the archive ${name} has a gap: entries ${from} to ${to} are missing`, {
    object: name,
    next: 'choose a moment before it, or one that a later recovery point reaches; take a backup now, so that later moments have one',
  })
}

/** The newest point that is not later than the target and from which the way is whole. */
export async function baseFor(from: From, to: RestoreTarget, manifests: readonly Manifest[]): Promise<Manifest> {
  requireTime(to)
  const until = to.time === undefined ? Number.POSITIVE_INFINITY : Date.parse(to.time)
  const now = archiveOfSource(from.config)
  const [newest] = manifests
    .filter((manifest) => {
      const own = fact(manifest, 'wal', 'archive')
      // The end of the log is that of the present history.
      return Date.parse(manifest.consistency.time) <= until && (to.latest ? own === now : own !== undefined)
    })
    .sort((a, b) => Date.parse(b.consistency.time) - Date.parse(a.consistency.time))
  if (newest) {
    await routeTo(from, to, newest)
    return newest
  }
  const oldest = manifests.map(({ consistency }) => consistency.time).sort()[0] ?? 'never'
  throw new HoldfastError(
    'TARGET_OUT_OF_RANGE',
    `no recovery point with an archive of its log is as old as ${to.time ?? `the log in ${now}`}; the oldest of any is of ${oldest}`,
    {
      object: to.time ?? now,
      next: 'choose a later moment, or take a backup now, so that later moments have one',
    },
  )
}

export function requireTime(to: RestoreTarget): void {
  if (to.time !== undefined || to.latest) return
  throw new HoldfastError('INPUT_INVALID', 'a Raft log is replayed to a time, or to its end', {
    object: Object.keys(to)[0] ?? 'target',
    next: 'give time, like 2026-01-15T12:00:00Z, or latest',
  })
}

/** All segments of the way, in a folder. */
export async function fetchRoute({ archive, segments }: Route, into: string, { signal, onProgress }: DriverContext): Promise<void> {
  await mkdir(into, { recursive: true, mode: 0o700 })
  for (const [parts, segment] of segments.entries()) {
    onProgress({ phase: `fetch ${segment.name}`, parts })
    await archive.fetch(segment, into, signal)
  }
}

export function windowOf({ name, segments }: WalArchive) {
  const last = segments.reduce((most, segment) => Math.max(most, segment.last), 0)
  return {
    archive: name,
    segments: segments.length,
    entries: segments[0] ? `${segments[0].first} to ${last}` : 'none',
    ...(segments.length > 0 && { archivedAt: new Date(Math.max(...segments.map(({ archivedAt }) => archivedAt.getTime()))).toISOString() }),
    gaps: gapsIn(segments),
  }
}
