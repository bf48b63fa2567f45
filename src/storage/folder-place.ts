/** Gives a finished file its name in one step that survives a crash, and takes it only where the name is free. */
import { randomBytes } from 'node:crypto'
import { link, mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { syncFolder, writeSynced } from './durable.ts'
import { hasCode } from './folder-errors.ts'

export interface Placer {
  /** Writes the bytes aside and places them. */
  write(target: string, body: Buffer, options: { ifAbsent: boolean }): Promise<'created' | 'exists'>
  /** Places a file that is written and synced; it keeps its old name as well when linked. */
  place(file: string, target: string, options: { ifAbsent: boolean }): Promise<'created' | 'exists'>
  /** Removes what writes left that a crash cut short: no reader has ever seen it. */
  sweep(): Promise<void>
}

/** Below the root, never shown by list: no key can begin with a dot. */
export const UPLOADS = '.uploads'
const PREFIX = 'put-'
const STALE_MS = 24 * 3600 * 1000

export function createPlacer(root: string): Placer {
  const aside = join(root, UPLOADS)

  const place: Placer['place'] = async (file, target, options) => {
    for (;;) {
      try {
        return await placeOnce(root, file, target, options)
      } catch (error) {
        // A delete beside us took the empty folder away: make it again, unless it is the store that is gone.
        if (!hasCode(error, 'ENOENT')) throw error
        await stat(file)
      }
    }
  }

  const write: Placer['write'] = async (target, body, options) => {
    await mkdir(aside, { recursive: true })
    const file = join(aside, `${PREFIX}${randomBytes(8).toString('hex')}`)
    try {
      await writeSynced(file, body, 0o640)
      return await place(file, target, options)
    } finally {
      await rm(file, { force: true })
    }
  }

  const sweep = async () => {
    for (const name of await readdir(aside).catch(() => [])) {
      if (!name.startsWith(PREFIX)) continue
      const found = await stat(join(aside, name)).catch(() => undefined)
      if (found && Date.now() - found.mtimeMs > STALE_MS) await rm(join(aside, name), { force: true })
    }
  }

  return { write, place, sweep }
}

async function placeOnce(root: string, file: string, target: string, { ifAbsent }: { ifAbsent: boolean }): Promise<'created' | 'exists'> {
  await makeFolders(root, dirname(target))
  try {
    await (ifAbsent ? link(file, target) : rename(file, target))
  } catch (error) {
    if (ifAbsent && hasCode(error, 'EEXIST')) return 'exists'
    throw error
  }
  // Gone again: what was placed has been deleted since, which is no failure of the writer.
  await syncFolder(dirname(target)).catch((error: unknown) => {
    if (!hasCode(error, 'ENOENT')) throw error
  })
  return 'created'
}

async function makeFolders(root: string, dir: string): Promise<void> {
  const first = await mkdir(dir, { recursive: true })
  if (first === undefined) return
  for (let at = dir; at.startsWith(root); at = dirname(at)) {
    await syncFolder(at)
    if (at === dirname(first)) return
  }
}
