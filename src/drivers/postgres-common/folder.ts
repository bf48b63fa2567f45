/** Folders of PostgreSQL's own user, and the one that holds everything of a scratch instance. */
import { mkdir } from 'node:fs/promises'
import { HoldfastError } from '../../core/errors.ts'
import { run } from '../../process/run.ts'
import { makeOwnFolder } from '../common/own-folder.ts'

/** The user that PostgreSQL programs run as: it refuses root, and an ordinary worker can only be itself. */
export function postgresUser(osUser: string | undefined): string | undefined {
  return process.getuid?.() === 0 ? (osUser ?? 'postgres') : undefined
}

/** A folder of our own that PostgreSQL's user has, and can reach. */
export async function makeScratchFolder(dir: string, osUser?: string): Promise<void> {
  const user = postgresUser(osUser)
  await makeOwnFolder(dir, user)
  if (!user) return
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
