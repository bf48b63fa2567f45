/** Where a program of the toolbox is on this machine. */
import { accessSync, constants, realpathSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { HoldfastError } from '../../src/core/errors.ts'
import { cacheBin, POSTGRES_BIN, PROGRAMS } from './programs.ts'

/** Absolute path of the program. Throws TOOL_MISSING, naming the command that installs it. */
export function findProgram(name: string): string {
  const found = lookUp(name)
  if (found) return found
  const program = PROGRAMS.find((known) => known.name === name)
  throw new HoldfastError('TOOL_MISSING', `the program ${name} is neither on PATH nor in ${cacheBin()}`, {
    object: name,
    next: program ? `run npm run toolbox, or: ${program.install}` : `install ${name} and put it on PATH`,
  })
}

/** The same, or undefined where it is missing. */
export function lookUp(name: string): string | undefined {
  const onPath = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder.startsWith('/'))
  const folders = [...onPath, cacheBin(), '/usr/sbin', '/sbin']
  // All of PostgreSQL's programs of one version, whatever else is on PATH.
  if (isPostgres(name)) folders.unshift(POSTGRES_BIN)
  return folders.map((folder) => join(folder, name)).find(isExecutable)
}

function isPostgres(name: string): boolean {
  return PROGRAMS.some((program) => program.name === name && 'debian' in program.from && program.from.debian === 'postgresql-15')
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    // Debian's wrapper chooses a version by cluster, and may find none.
    return statSync(path).isFile() && !realpathSync(path).endsWith('/pg_wrapper')
  } catch {
    return false
  }
}
