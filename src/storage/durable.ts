/** Small files and names that outlive a crash of the machine, not only of the process. */
import { open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/** A name survives a crash once its folder is synced. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** Writes a file to the disk, not only to the page cache; its name needs its folder synced. `flags` as of open(2). */
export async function writeSynced(path: string, body: Buffer | string, mode: number, flags: 'w' | 'wx' = 'w'): Promise<void> {
  const file = await open(path, flags, mode)
  try {
    await file.writeFile(body)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Whole or not at all. */
export async function writeDurably(path: string, text: string, mode = 0o600): Promise<void> {
  const fresh = `${path}.new`
  await rm(fresh, { force: true })
  await writeSynced(fresh, text, mode, 'wx')
  await renameDurably(fresh, path)
}

export async function renameDurably(from: string, to: string): Promise<void> {
  await rename(from, to)
  await syncFolder(dirname(to))
}

export async function removeDurably(path: string): Promise<void> {
  await rm(path, { force: true })
  await syncFolder(dirname(path))
}

/** Undefined where there is no such file. */
export async function readJson<T>(path: string): Promise<T | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  return text === undefined ? undefined : (JSON.parse(text) as T)
}
