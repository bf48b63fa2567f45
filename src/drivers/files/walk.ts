/** A walk over a tree: a folder before what it holds, the names of a folder in the order of their bytes. */
import type { BigIntStats, Dirent } from 'node:fs'
import { lstat, opendir, readlink } from 'node:fs/promises'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { type Entry, entryOfStat } from './entries.ts'
import { below, type BytePath, join, pathBelow, shown } from './names.ts'
import type { Selection } from './selection.ts'
import type { MemberType } from './tar-header.ts'

export interface Found {
  path: BytePath
  type: MemberType
}

/** What a walk passed over, counted as it goes. */
export interface Passed {
  excluded: number
  secrets: number
  /** What a backup cannot hold. */
  devices: number
  /** They hold nothing. */
  sockets: number
  /** Patterns of `include` that something matched. */
  matched: Set<string>
}

export const nothingPassed = (): Passed => ({ excluded: 0, secrets: 0, devices: 0, sockets: 0, matched: new Set() })

interface Frame {
  path: BytePath
  names: string[]
  at: number
  /** It or a folder above it is matched by a pattern of `include`. */
  whole: boolean
  yielded: boolean
}

/** Memory grows with the names of the largest single folder, and with nothing else. What vanishes meanwhile is passed over. */
export async function* walk(root: string, selection: Selection, passed: Passed = nothingPassed()): AsyncGenerator<Found> {
  const { include, age } = selection
  const all = include === undefined
  yield { path: '.', type: 'folder' }
  const frames: Frame[] = [{ path: '.', names: await namesIn(root, '.'), at: 0, whole: all, yielded: true }]
  for (let frame = frames.at(-1); frame; frame = frames.at(-1)) {
    const word = frame.names[frame.at]
    frame.at += 1
    if (word === undefined) {
      frames.pop()
      continue
    }
    const type: MemberType | undefined = TYPES[word.at(-1) as keyof typeof TYPES]
    const path = join(frame.path, word.slice(0, -2))
    const why = selection.leftOut(path, type)
    if (why !== undefined) passed[why === 'secret' ? 'secrets' : 'excluded'] += 1
    if (why !== undefined) continue
    const pattern = include?.match(path)
    if (pattern !== undefined) passed.matched.add(pattern)
    const whole = frame.whole || pattern !== undefined
    if (type === 'folder') {
      if (!whole && !include?.reaches(path)) continue
      const yielded = whole && age === undefined
      if (yielded) yield* pending(frames)
      if (yielded) yield { path, type }
      frames.push({ path, names: await namesIn(root, path), at: 0, whole, yielded })
      continue
    }
    if (!whole) continue
    if (type === 'device' || type === undefined) {
      passed[type === 'device' ? 'devices' : 'sockets'] += 1
      continue
    }
    if (age && !(await fits(root, path, age))) continue
    yield* pending(frames)
    yield { path, type }
  }
}

/** The folders above, where they were not yielded yet. */
function* pending(frames: Frame[]): Generator<Found> {
  for (const frame of frames) {
    if (frame.yielded) continue
    frame.yielded = true
    yield { path: frame.path, type: 'folder' }
  }
}

const TYPES = { d: 'folder', f: 'file', l: 'link', p: 'fifo', v: 'device' } as const satisfies Record<string, MemberType>

const SOCKET = 's'

function letterOf(entry: Dirent): keyof typeof TYPES | typeof SOCKET {
  if (entry.isDirectory()) return 'd'
  if (entry.isFile()) return 'f'
  if (entry.isSymbolicLink()) return 'l'
  if (entry.isFIFO()) return 'p'
  return entry.isSocket() ? SOCKET : 'v'
}

/** Sorted, each with the letter of its type behind it: a string for each is all that a large folder takes. */
async function namesIn(root: string, folder: BytePath): Promise<string[]> {
  const names: string[] = []
  try {
    // The type of Dirent knows no encoding; with latin1 a name has one character for each of its bytes.
    const entries = await opendir(pathBelow(root, folder), { encoding: 'latin1', bufferSize: 1024 })
    for await (const entry of entries) {
      names.push(`${entry.name}\0${letterOf(entry)}`)
    }
  } catch (error) {
    if (isGone(error) && folder !== '.') return []
    throw unreadable(root, folder, error)
  }
  return names.sort()
}

/** Nothing is there, or what was a folder above it is none any more. */
export const isGone = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')

function unreadable(root: string, folder: BytePath, cause: unknown): HoldfastError {
  const path = folder === '.' ? root : `${root}/${shown(folder)}`
  if (isGone(cause))
    return new HoldfastError('SOURCE_UNREACHABLE', `${path} is not there, or no folder`, {
      object: path,
      cause,
      next: 'correct root of the source, or mount what it is on',
    })
  return new HoldfastError('SOURCE_UNFIT', `${path} cannot be read: ${messageOf(cause)}`, {
    object: path,
    cause,
    next: `let the worker's user read it, or name it in exclude of the source`,
  })
}

async function fits(root: string, path: BytePath, { from, to }: NonNullable<Selection['age']>): Promise<boolean> {
  const stat = await lookAt(root, path)
  return stat !== undefined && (from === undefined || stat.mtimeNs >= from) && (to === undefined || stat.mtimeNs <= to)
}

/** Undefined where nothing is there. */
export async function lookAt(root: string, path: BytePath): Promise<BigIntStats | undefined> {
  return lstat(below(root, path), { bigint: true }).catch((error: unknown) => {
    if (isGone(error)) return undefined
    throw error
  })
}

/** So many are looked at together. */
const TOGETHER = 64

/** What stands on the disk, without its contents. */
export async function* statTree(root: string, selection: Selection, passed?: Passed): AsyncGenerator<Entry> {
  let batch: Found[] = []
  const look = async function* (): AsyncGenerator<Entry> {
    const found = await Promise.all(batch.map((one) => entryAt(root, one.path)))
    batch = []
    yield* found.filter((entry) => entry !== undefined)
  }
  for await (const one of walk(root, selection, passed)) {
    batch.push(one)
    if (batch.length === TOGETHER) yield* look()
  }
  yield* look()
}

/** What stands there now, whatever a walk has seen; undefined for nothing, and for a socket. */
export async function entryAt(root: string, path: BytePath): Promise<Entry | undefined> {
  const stat = await lookAt(root, path)
  if (!stat) return undefined
  if (stat.isDirectory()) return entryOfStat(path, 'folder', stat)
  if (stat.isFile()) return entryOfStat(path, 'file', stat)
  if (stat.isFIFO()) return entryOfStat(path, 'fifo', stat)
  if (!stat.isSymbolicLink()) return stat.isSocket() ? undefined : entryOfStat(path, 'device', stat)
  const target = await readlink(below(root, path), { encoding: 'latin1' }).catch(() => undefined)
  return target === undefined ? undefined : entryOfStat(path, 'link', stat, target)
}
