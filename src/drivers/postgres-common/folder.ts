/** The folder that holds everything of a scratch instance: marked as ours, so that nothing else is ever removed. */
import { lstat, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import { run } from '../../process/run.ts'

const MARK = '.holdfast-scratch'

/** The user that PostgreSQL programs run as: it refuses root, and an ordinary worker can only be itself. */
export function postgresUser(osUser: string | undefined): string | undefined {
  return process.getuid?.() === 0 ? (osUser ?? 'postgres') : undefined
}

/** Makes `dir`, empty, marked and private to the user; refuses a folder with contents that Holdfast did not make. */
export async function makeScratchFolder(dir: string, osUser?: string): Promise<void> {
  if ((await inspect(dir)) === 'foreign') throw foreign(dir)
  await rm(dir, { recursive: true, force: true })
  await mkdir(dirname(dir), { recursive: true })
  const user = postgresUser(osUser)
  await mkdir(dir, { mode: 0o700 })
  await writeFile(join(dir, MARK), 'a scratch instance of Holdfast; removed with everything in it\n')
  if (!user) return
  await giveTo(user, dir)
  const reached = await run({ program: 'test', args: ['-w', dir], user, cwd: '/' }, { accept: [0, 1] })
  if (reached.exitCode !== 0) {
    throw new HoldfastError('SOURCE_UNFIT', `the user ${user} cannot reach ${dir}`, {
      object: dir,
      next: `let every folder above it be entered (chmod o+x), or choose another scratchDir`,
    })
  }
}

/** A folder inside a scratch folder, owned by the user. */
export async function makeFolder(path: string, osUser?: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  const user = postgresUser(osUser)
  if (user) await giveTo(user, path)
}

/** Changes the owner of a path (not of what it holds) when the worker is root. */
export async function giveTo(user: string, path: string): Promise<void> {
  await run({ program: 'chown', args: ['--no-dereference', user, path] })
}

/** Removes the folder; one that is not there is no error, one that is not ours is. */
export async function removeScratchFolder(dir: string): Promise<void> {
  if ((await inspect(dir)) === 'foreign') throw foreign(dir)
  await rm(dir, { recursive: true, force: true, maxRetries: 5 })
}

/** Throws unless `dir` is absent, empty or marked. */
export async function requireScratchFolder(dir: string): Promise<void> {
  if ((await inspect(dir)) === 'foreign') throw foreign(dir)
}

async function inspect(dir: string): Promise<'absent' | 'empty' | 'ours' | 'foreign'> {
  const found = await lstat(dir).catch(() => undefined)
  if (!found) return 'absent'
  if (!found.isDirectory()) return 'foreign'
  const entries = await readdir(dir)
  return entries.length === 0 ? 'empty' : entries.includes(MARK) ? 'ours' : 'foreign'
}

function foreign(dir: string): HoldfastError {
  return new HoldfastError('SOURCE_UNFIT', `${dir} holds files that are not of a scratch instance`, {
    object: dir,
    next: 'choose another scratchDir, or remove the folder by hand if nobody needs it',
  })
}
