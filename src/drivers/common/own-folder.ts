/** A folder of Holdfast's own: marked, so that nothing else is ever removed, and closed to other users. */
import { chmod, chown, lstat, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import { run } from '../../process/run.ts'
import { userToBecome } from '../../process/user.ts'

const MARK = '.holdfast-scratch'

/** Makes it, empty, for the user where one is named and the worker is root; what an earlier try left there goes. */
export async function makeOwnFolder(dir: string, osUser?: string): Promise<void> {
  await removeOwnFolder(dir)
  await mkdir(dir, { recursive: true, mode: 0o700 })
  // It may have been there, empty, and open to all.
  await chmod(dir, 0o700)
  await writeFile(join(dir, MARK), 'of a restore by Holdfast; removed with everything in it\n')
  const user = userToBecome(osUser)
  if (user) await chown(dir, user.uid, user.gid)
}

/** No error where there is nothing; one that is not ours is refused. */
export async function removeOwnFolder(dir: string): Promise<void> {
  await requireOwnFolder(dir)
  // Node's own keeps a list of all that is below.
  await run({ program: 'rm', args: ['-rf', '--', dir] })
}

/** Throws SOURCE_UNFIT unless it is absent, empty or marked. */
export async function requireOwnFolder(dir: string): Promise<void> {
  const found = await lstat(dir).catch(() => undefined)
  if (!found) return
  const entries = found.isDirectory() ? await readdir(dir) : undefined
  if (!entries || (entries.length > 0 && !entries.includes(MARK)))
    throw new HoldfastError('SOURCE_UNFIT', `${dir} holds files that are not of a restore`, {
      object: dir,
      next: 'choose another scratchDir, or remove it by hand if nobody needs it',
    })
}
