/** What is under way at a data directory: a file beside it says so, and outlives a crash of the machine like the renames do. */
import { open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

export interface Under {
  /** `<folder>/<inode>` of the copy, as restoreAside gave it. */
  made: string
  /** Where the old cluster goes; the same at each try. */
  kept: string
}

const noteOf = (dataDir: string): string => `${dataDir}.restore-under-way`

export async function begun(dataDir: string): Promise<Under | undefined> {
  const text = await readFile(noteOf(dataDir), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  return text === undefined ? undefined : (JSON.parse(text) as Under)
}

export async function begin(dataDir: string, under: Under): Promise<void> {
  const note = noteOf(dataDir)
  await writeFile(`${note}.new`, JSON.stringify(under), { mode: 0o600, flush: true })
  await moved(`${note}.new`, note)
}

export async function forget(dataDir: string): Promise<void> {
  await rm(noteOf(dataDir), { force: true })
  await synced(dirname(dataDir))
}

export async function moved(from: string, to: string): Promise<void> {
  await rename(from, to)
  await synced(dirname(to))
}

async function synced(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
