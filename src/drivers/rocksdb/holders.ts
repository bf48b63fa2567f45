/** Who has a store open: RocksDB holds a lock on the file LOCK for as long as it may write. */
import { readdir, readFile, readlink, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import { statOf } from './places.ts'

export interface Holder {
  pid: number
  name: string
}

/** By the kernel's list of locks and by who has the file open; of other containers neither tells. */
export async function holdersOf(path: string): Promise<Holder[]> {
  const lock = join(path, 'LOCK')
  const inode = (await statOf(lock))?.ino
  if (inode === undefined) return []
  const place = await realpath(lock)
  const locking = await lockingPids(inode)
  const found: Holder[] = []
  for (const entry of await readdir('/proc')) {
    const pid = Number(entry)
    if (!Number.isInteger(pid)) continue
    const name = await nameOf(pid)
    if (name !== undefined && (await hasLocked(pid, place, locking))) found.push({ pid, name })
  }
  return found
}

/** Throws SOURCE_LOCKED with who has it open. */
export async function requireClosed(path: string, next: string): Promise<void> {
  const holders = await holdersOf(path)
  if (holders.length === 0) return
  const who = holders.map(({ pid, name }) => `${name} (pid ${pid})`).join(', ')
  throw new HoldfastError('SOURCE_LOCKED', `${path} is open in ${who}`, { object: path, next, retryable: false })
}

/** `1: POSIX  ADVISORY  WRITE 818 fe:00:10495465 0 EOF` */
async function lockingPids(inode: number): Promise<Set<number>> {
  const lines = (await readFile('/proc/locks', 'utf8').catch(() => '')).split('\n').map((line) => line.trim().split(/\s+/))
  return new Set(
    lines.filter((words) => words.find((word) => /:\w+:\d+$/.test(word))?.endsWith(`:${inode}`)).map((words) => Number(words.at(-4))),
  )
}

/** A lock on a file of the same number may be on another disk: what the process has open tells, where that may be read. */
async function hasLocked(pid: number, place: string, locking: Set<number>): Promise<boolean> {
  const handles = await readdir(`/proc/${pid}/fd`).catch(() => undefined)
  if (!handles) return locking.has(pid)
  for (const handle of handles) if ((await readlink(`/proc/${pid}/fd/${handle}`).catch(() => '')) === place) return true
  return false
}

async function nameOf(pid: number): Promise<string | undefined> {
  const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => undefined)
  return name?.trim()
}
