/** The operating system user that a command runs as, when the worker is root. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { HoldfastError } from '../core/errors.ts'

export interface OsUser {
  name: string
  uid: number
  gid: number
  home: string
}

/** The user by name; throws CONFIG_INVALID where the machine does not know it. */
export function osUser(name: string): OsUser {
  const line = fromFile(name) ?? fromDirectory(name)
  const [, , uid, gid, , home] = line?.split(':') ?? []
  if (uid === undefined || gid === undefined) {
    throw new HoldfastError('CONFIG_INVALID', `this machine has no operating system user "${name}"`, {
      object: name,
      next: `create the user "${name}", or correct osUser in holdfast.yaml`,
    })
  }
  return { name, uid: Number(uid), gid: Number(gid), home: home || '/' }
}

/** The user to become, or undefined where nothing changes: none is named, the worker is not root, or it is that user already. */
export function userToBecome(name: string | undefined): OsUser | undefined {
  if (!name || process.getuid?.() !== 0) return undefined
  const user = osUser(name)
  return user.uid === 0 ? undefined : user
}

function fromFile(name: string): string | undefined {
  return readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((line) => line.startsWith(`${name}:`))
}

// Users of a directory service are not in the file.
function fromDirectory(name: string): string | undefined {
  try {
    return execFileSync('getent', ['passwd', '--', name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return undefined
  }
}
