/** What a restore would change in a live tree: the point beside what stands there. Reads, and changes nothing. */
import { createReadStream } from 'node:fs'
import { Blake3Hasher } from '@napi-rs/blake-hash'
import type { Difference } from '../driver.ts'
import { sideBySide } from './compare.ts'
import type { Entry } from './entries.ts'
import { below, shown } from './names.ts'
import { type Picks, picked } from './picks.ts'
import { SecretScan } from './secrets.ts'
import { EVERYTHING, type Selection } from './selection.ts'
import { isGone, lookAt, nothingPassed, statTree } from './walk.ts'

export type Change =
  | { change: 'added'; wanted: Entry }
  | { change: 'changed'; wanted: Entry; there: Entry; why: string }
  | { change: 'same'; wanted: Entry; there: Entry }
  | { change: 'removed'; there: Entry }
  /** The source leaves it out for what it holds: a restore leaves it where it is. */
  | { change: 'kept'; there: Entry }

export interface Comparing {
  root: string
  selection: Selection
  picks: Picks
  entries: AsyncIterable<Entry>
}

/** In the order of a walk; the root itself is not among them. */
export async function* changesOf({ root, selection, picks, entries }: Comparing): AsyncGenerator<Change> {
  const live = (await lookAt(root, '.')) ? statTree(root, selection) : nothing()
  const there = only(live, ({ path }) => path !== '.' && picks.takes(path))
  const wanted = only(picked(entries, picks), ({ path }) => path !== '.')
  for await (const pair of sideBySide(wanted, there)) {
    const { wanted: one, there: other } = pair
    if (one && other) {
      const why = await differs(root, one, other)
      yield why === undefined ? { change: 'same', wanted: one, there: other } : { change: 'changed', wanted: one, there: other, why }
    } else if (one) yield { change: 'added', wanted: one }
    else if (other && picks.chosen(other.path))
      yield { change: (await isSecret(root, selection, other)) ? 'kept' : 'removed', there: other }
  }
}

async function* nothing(): AsyncGenerator<Entry> {}

async function* only(entries: AsyncIterable<Entry>, fits: (entry: Entry) => boolean): AsyncGenerator<Entry> {
  for await (const entry of entries) if (fits(entry)) yield entry
}

/** In words; undefined where a restore would change nothing. Its time alone is no difference. */
async function differs(root: string, wanted: Entry, there: Entry): Promise<string | undefined> {
  const shared = wanted.type === 'hard link'
  if ((shared ? 'file' : wanted.type) !== there.type) return `a ${there.type} instead of a ${shared ? 'file' : wanted.type}`
  if (shared && !(await sameFile(root, wanted))) return `does not share its file with ${shown(wanted.target ?? '')}`
  if (wanted.target !== there.target && !shared) return 'leads elsewhere'
  if (wanted.mode !== there.mode && wanted.type !== 'link') return `mode ${octal(there.mode)} instead of ${octal(wanted.mode)}`
  if (process.getuid?.() === 0 && (wanted.uid !== there.uid || wanted.gid !== there.gid))
    return `of ${there.uid}:${there.gid} instead of ${wanted.uid}:${wanted.gid}`
  if (wanted.type !== 'file') return undefined
  if (wanted.size !== there.size) return `${there.size} bytes instead of ${wanted.size}`
  // As rsync does it: one that has kept its size and its time to the nanosecond is taken for the same.
  if (wanted.mtime === there.mtime) return undefined
  return (await digestBelow(root, there)) === wanted.blake3 ? undefined : 'other contents'
}

const octal = (mode: number): string => mode.toString(8).padStart(4, '0')

async function sameFile(root: string, { path, target = path }: Entry): Promise<boolean> {
  const [one, other] = [await lookAt(root, path), await lookAt(root, target)]
  return one !== undefined && other !== undefined && one.ino === other.ino && one.dev === other.dev
}

const read = (root: string, { path }: Entry): AsyncIterable<Buffer> => createReadStream(below(root, path), { highWaterMark: 256 * 1024 })

async function digestBelow(root: string, entry: Entry): Promise<string> {
  const hasher = new Blake3Hasher()
  for await (const bytes of read(root, entry)) hasher.update(bytes)
  return hasher.digest('hex')
}

async function isSecret(root: string, selection: Selection, entry: Entry): Promise<boolean> {
  if (entry.type !== 'file' || !selection.scanned(entry.path)) return false
  const scan = new SecretScan()
  try {
    for await (const bytes of read(root, entry)) {
      scan.add(bytes)
      if (scan.found !== undefined) return true
    }
  } catch (error) {
    if (!isGone(error)) throw error
  }
  return false
}

const NAMED = 20

export async function differenceOf(comparing: Comparing, target: string): Promise<Difference> {
  const difference: Difference = { target, added: 0, changed: 0, removed: 0, same: 0, changes: [] }
  for await (const one of changesOf(comparing)) {
    if (one.change === 'kept') continue
    difference[one.change] += 1
    if (one.change === 'same' || difference.changes.length >= NAMED) continue
    const { path } = one.change === 'removed' ? one.there : one.wanted
    difference.changes.push({ change: one.change, name: shown(path), ...(one.change === 'changed' && { why: one.why }) })
  }
  return difference
}

/** Nothing in the root is left alone by the source: it may be replaced as a whole. */
export async function isWhole(comparing: Comparing): Promise<boolean> {
  const passed = nothingPassed()
  let all = 0
  for await (const _ of statTree(comparing.root, EVERYTHING, passed)) all += 1
  // The root itself is one of them.
  let seen = 1
  for await (const { change } of changesOf(comparing)) {
    if (change === 'kept') return false
    if (change !== 'added') seen += 1
  }
  return seen === all && passed.devices + passed.sockets === 0
}
