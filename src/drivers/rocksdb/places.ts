/** Where the driver puts what it makes: names derived from the point, so that a later try finds what an earlier one left. */
import { copyFile, link, lstat, mkdir, readdir, rm, rmdir, stat, writeFile } from 'node:fs/promises'
import type { Stats } from 'node:fs'
import { dirname, join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import type { RocksdbSourceConfig } from './config.ts'

/** Folder of everything that is made for one point on the source. */
export function pointFolder(
  { path, checkpointDir }: Pick<RocksdbSourceConfig, 'path' | 'checkpointDir'>,
  source: string,
  id: string,
): string {
  return join(checkpointDir ?? `${path}.checkpoints`, `${source}-${id}`)
}

/** Removes it; and the folder around it, where nobody made that but the driver and nothing else is in it. */
export async function removePointFolder(
  config: Pick<RocksdbSourceConfig, 'path' | 'checkpointDir'>,
  source: string,
  id: string,
): Promise<void> {
  const folder = pointFolder(config, source, id)
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  if (config.checkpointDir === undefined) await rmdir(dirname(folder)).catch(() => {})
}

const MARK = '.holdfast-scratch'

/** The copy inside a scratch folder. */
export const copyIn = (dir: string): string => join(dir, 'data')

/** Makes `dir` empty, private and marked as ours; a folder with contents of somebody else is refused. */
export async function makeScratch(dir: string): Promise<void> {
  await removeScratch(dir)
  await mkdir(dir, { recursive: true, mode: 0o700 })
  await writeFile(join(dir, MARK), 'a copy that Holdfast restored; removed with everything in it\n')
}

/** Removes it; one that is not there is no error. */
export async function removeScratch(dir: string): Promise<void> {
  const found = await lstat(dir).catch(() => undefined)
  if (!found) return
  const entries = found.isDirectory() ? await readdir(dir) : [dir]
  if (entries.length > 0 && !entries.includes(MARK))
    throw new HoldfastError('SOURCE_UNFIT', `${dir} holds files that are no copy of Holdfast`, {
      object: dir,
      next: 'choose another scratchDir, or remove the folder by hand if nobody needs it',
    })
  await rm(dir, { recursive: true, force: true, maxRetries: 5 })
}

export async function exists(path: string): Promise<boolean> {
  return (await statOf(path)) !== undefined
}

/** Undefined where there is nothing. */
export async function statOf(path: string): Promise<Stats | undefined> {
  return stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
}

/** What RocksDB writes once and never again. */
const WRITTEN_ONCE = /\.(sst|blob)$/

/** The files under other names, for somebody who may write: shared where RocksDB would not, copied where it might. */
export async function shareFiles(names: readonly string[], from: string, to: string): Promise<void> {
  for (const name of names) {
    await mkdir(dirname(join(to, name)), { recursive: true, mode: 0o700 })
    await (WRITTEN_ONCE.test(name) ? linkOrCopy : copyFile)(join(from, name), join(to, name))
  }
}

async function linkOrCopy(from: string, to: string): Promise<void> {
  await link(from, to).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EXDEV' || error.code === 'EPERM') return copyFile(from, to)
    throw error
  })
}
