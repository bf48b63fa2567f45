/** The files that an operator means by naming files and folders. */
import { readdir, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { HoldfastError, messageOf } from '../../core/errors.ts'

/** Each once, by name. Throws INPUT_INVALID where there is nothing to look at, NOT_FOUND for a path that is not on this host. */
export async function filesBelow(paths: readonly string[]): Promise<string[]> {
  const found = new Set<string>()
  for (const path of requirePaths(paths)) {
    if (!(await statOn(path)).isDirectory()) {
      found.add(path)
      continue
    }
    for (const entry of await readdir(path, { recursive: true, withFileTypes: true }).catch(unreadable(path)))
      if (entry.isFile()) found.add(join(entry.parentPath, entry.name))
  }
  return [...found].sort()
}

export function requirePaths(paths: readonly string[]): readonly string[] {
  const relative = paths.find((path) => !path.startsWith('/'))
  if (paths.length > 0 && relative === undefined) return paths
  throw new HoldfastError('INPUT_INVALID', relative === undefined ? 'nothing is named to be adopted' : `"${relative}" is not a full path`, {
    object: relative ?? 'from',
    next: 'name files or folders by their full paths, like /var/backups/orders',
  })
}

export const statOn = (path: string) => stat(path).catch(unreadable(path))

function unreadable(path: string) {
  return (error: unknown): never => {
    throw new HoldfastError('NOT_FOUND', `${path} cannot be looked at on ${hostname()}: ${messageOf(error)}`, {
      object: path,
      next: 'bring it to the host whose worker serves the source, correct the path, or let the worker read it',
      cause: error,
    })
  }
}

/** What the system says of one file: it is of that file, and ends no search. */
export const isOfFile = (error: unknown): error is Error => error instanceof Error && 'syscall' in error && 'errno' in error
