/**
 * Files put into a live tree one by one: each appears under its name in one step, what it replaces is kept, and what was
 * done before a kill is found done.
 */
import { constants } from 'node:fs'
import { chmod, chown, copyFile, link, lstat, mkdir, readlink, rename, rmdir, symlink } from 'node:fs/promises'
import { HoldfastError } from '../../core/errors.ts'
import type { Change } from './difference.ts'
import type { Entry } from './entries.ts'
import { type BytePath, parentOf, pathBelow, shown } from './names.ts'
import { isGone } from './walk.ts'

export interface FileSwap {
  root: string
  /** Holds what is wanted, and loses it to the root. */
  tree: string
  /** Gets what is replaced and removed. */
  kept: string
  /** Whether what is in the root only goes. */
  remove: boolean
  signal: AbortSignal
  onDone(done: number): void
}

export interface Done {
  added: number
  changed: number
  removed: number
}

/** A folder that stays gets the mode and owner that it had. */
export async function dress(path: string, { mode, uid, gid }: Entry): Promise<void> {
  if (process.getuid?.() === 0) await chown(path, uid, gid)
  await chmod(path, mode)
}

export async function swapFiles(changes: AsyncIterable<Change>, swap: FileSwap): Promise<Done> {
  const done: Done = { added: 0, changed: 0, removed: 0 }
  const emptied: Entry[] = []
  for await (const one of changes) {
    swap.signal.throwIfAborted()
    if (one.change === 'same' || one.change === 'kept' || (one.change === 'removed' && !swap.remove)) continue
    if (one.change === 'removed' && one.there.type === 'folder') {
      emptied.push(one.there)
      continue
    }
    if (one.change === 'removed') await keepAway(swap, one.there.path)
    else await put(swap, one.wanted, one.change === 'changed' ? one.there : undefined)
    done[one.change] += 1
    swap.onDone(done.added + done.changed + done.removed)
  }
  // What they held is gone by now, but for what is none of the source's.
  for (const folder of emptied.reverse()) if (await removeEmpty(swap, folder)) done.removed += 1
  return done
}

async function put(swap: FileSwap, wanted: Entry, there: Entry | undefined): Promise<void> {
  const [from, to] = [pathBelow(swap.tree, wanted.path), pathBelow(swap.root, wanted.path)]
  const isThere = await lstat(from).catch(() => undefined)
  // Another part of the tree has brought it already, or an earlier try has.
  if (!isThere) return
  if (wanted.type === 'folder' && there?.type === 'folder') return dress(to, wanted)
  if (there) await keepBehind(swap, wanted, there)
  await rename(from, to).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EXDEV') throw error
    throw new HoldfastError('SOURCE_UNFIT', `${swap.root}/${shown(wanted.path)} is on another file system than ${swap.root}`, {
      object: swap.root,
      next: 'restore into a folder, and copy what is wanted from there',
    })
  })
}

/** A file keeps its name until the new one has it; what is of another kind has to make room first. */
async function keepBehind(swap: FileSwap, wanted: Entry, there: Entry): Promise<void> {
  if (there.type === 'folder' || wanted.type === 'folder') return keepAway(swap, there.path)
  const to = await placeFor(swap, there.path)
  const from = pathBelow(swap.root, there.path)
  await link(from, to).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST') return
    // Some file systems and some kernels allow no second name: then it is a copy.
    if (there.type === 'link') return symlink(await readlink(from, { encoding: 'buffer' }), to)
    if (there.type !== 'file') return keepAway(swap, there.path)
    await copyFile(from, to, constants.COPYFILE_FICLONE)
    await dress(to, there)
  })
}

async function keepAway(swap: FileSwap, path: BytePath): Promise<void> {
  const to = await placeFor(swap, path)
  // The folder that it was in may have gone before it.
  await rename(pathBelow(swap.root, path), to).catch((error: unknown) => {
    if (!isGone(error)) throw error
  })
}

/** Where something is kept, with the folders above it. */
async function placeFor(swap: FileSwap, path: BytePath): Promise<string> {
  await keepFolder(swap, parentOf(path))
  return pathBelow(swap.kept, path)
}

/** What is kept is as closed to others as it was. */
async function keepFolder({ kept, root }: FileSwap, folder: BytePath): Promise<void> {
  if (folder === '.' || (await mkdir(pathBelow(kept, folder), { recursive: true })) === undefined) return
  for (let at = folder; at !== '.'; at = parentOf(at)) {
    const like = await lstat(pathBelow(root, at)).catch(() => undefined)
    if (like) await chmod(pathBelow(kept, at), like.mode & 0o7777)
  }
}

async function removeEmpty(swap: FileSwap, { path }: Entry): Promise<boolean> {
  await keepFolder(swap, path)
  return rmdir(pathBelow(swap.root, path)).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOTEMPTY' || isGone(error)) return false
      throw error
    },
  )
}
