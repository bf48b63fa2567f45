/** Where a program is, looked up before it is started: a missing one is then told from one that exits 127. */
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { HoldfastError } from '../core/errors.ts'
import type { Command } from './command.ts'

/** Absolute path of the command's program; throws TOOL_MISSING. */
export function programOf(command: Pick<Command, 'program' | 'env' | 'cwd'>): string {
  const { program } = command
  const found = program.includes('/') ? [resolve(command.cwd ?? '.', program)] : onPath(program, command.env?.PATH ?? process.env.PATH)
  const path = found.find(isProgram)
  if (path) return path
  throw new HoldfastError('TOOL_MISSING', `the program ${program} is not installed, or may not be executed`, {
    object: program,
    next: program.includes('/') ? `correct the path ${program}` : `install ${program} on this machine, or add its folder to PATH`,
  })
}

function onPath(program: string, path = '/usr/local/bin:/usr/bin:/bin'): string[] {
  return path
    .split(delimiter)
    .filter(Boolean)
    .map((folder) => join(folder, program))
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
