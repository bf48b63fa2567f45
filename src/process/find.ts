/** Where a program is, looked up before it is started: a missing one is then told from one that exits 127. */
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { HoldfastError } from '../core/errors.ts'
import type { Command } from './command.ts'

type Named = Pick<Command, 'program' | 'env' | 'cwd'>

/** Absolute path of the command's program, where there is one. */
export function findProgram({ program, env, cwd }: Named): string | undefined {
  const places = program.includes('/') ? [resolve(cwd ?? '.', program)] : onPath(program, env?.PATH ?? process.env.PATH)
  return places.find(isProgram)
}

/** The same; throws TOOL_MISSING where there is none. */
export function programOf(command: Named): string {
  const { program } = command
  const path = findProgram(command)
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
