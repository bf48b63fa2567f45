/** The folder of a restored tree: marked as ours, so that nothing else is ever removed, and closed to other users. */
import { chmod, lstat, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'

const MARK = '.holdfast-scratch'

/** The restored tree, with the modes that it had; and what it has to be, as the point says. */
export const treeIn = (dir: string): string => join(dir, 'tree')
export const indexIn = (dir: string): string => join(dir, 'index.jsonl')

/** Makes it, empty; what an earlier try left there goes. */
export async function makeScratch(dir: string): Promise<void> {
  await removeScratch(dir)
  await mkdir(dir, { recursive: true, mode: 0o700 })
  // A restored program that runs as its owner is started by nobody else.
  await chmod(dir, 0o700)
  await writeFile(join(dir, MARK), 'a restored tree of Holdfast; removed with everything in it\n')
}

export async function makeTree(dir: string): Promise<string> {
  await mkdir(treeIn(dir), { mode: 0o700 })
  return treeIn(dir)
}

/** No error where there is nothing. */
export async function removeScratch(dir: string): Promise<void> {
  const found = await lstat(dir).catch(() => undefined)
  if (!found) return
  const entries = found.isDirectory() ? await readdir(dir) : undefined
  if (!entries || (entries.length > 0 && !entries.includes(MARK)))
    throw new HoldfastError('SOURCE_UNFIT', `${dir} holds files that are not of a restore`, {
      object: dir,
      next: 'choose another scratchDir, or remove it by hand if nobody needs it',
    })
  await rm(dir, { recursive: true, force: true, maxRetries: 5 })
}
