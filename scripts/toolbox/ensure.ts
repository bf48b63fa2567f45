/** Finds each program of the toolbox on PATH or in the cache, and installs what is missing. Costs nothing where all are there. */
import { HoldfastError } from '../../src/core/errors.ts'
import { withLock } from '../lock.mjs'
import { debianPackages, installDebian, mayInstallDebian } from './debian.ts'
import { installFalkorDB, mayInstallFalkorDB } from './falkordb-install.ts'
import { lookUp } from './find.ts'
import { installGo } from './go.ts'
import { cacheDir, ENGINES, PROGRAMS, type Program } from './programs.ts'

export type Progress = (line: string) => void

export interface EnsureOptions {
  /** Only these programs; all of them by default. */
  only?: readonly Program[]
  /** A line for each wait; standard error by default. */
  progress?: Progress
  signal?: AbortSignal
}

/** Resolves once every program is there. Throws TOOL_MISSING naming all that cannot be installed here, with the command that does it. */
export async function ensureToolbox(options: EnsureOptions = {}): Promise<void> {
  if (missing(options.only).length === 0) return
  const progress = options.progress ?? toStderr
  const onWait = () => progress('another run is installing programs: waiting for it')
  await withLock(`toolbox ${cacheDir()}`, () => install(missing(options.only), progress, options.signal), {
    onWait,
    signal: options.signal,
  })
}

/** All that the tests start. Who cannot install what only the engines need is told how to; tests that need it are skipped. */
export async function ensureForTests(options: Omit<EnsureOptions, 'only'> = {}): Promise<void> {
  const progress = options.progress ?? toStderr
  const beyond = beyondReach(missing(ENGINES))
  for (const { message, next } of beyond.map(byHand)) progress(`${message}; tests that need it are skipped. To have it: ${next}`)
  const programs = beyond.flatMap((way) => way.programs)
  await ensureToolbox({ ...options, only: PROGRAMS.filter((program) => !programs.includes(program)) })
}

function missing(only: readonly Program[] = PROGRAMS): Program[] {
  return only.filter(({ name }) => !lookUp(name))
}

function toStderr(line: string): void {
  process.stderr.write(`${line}\n`)
}

async function install(programs: readonly Program[], progress: Progress, signal: AbortSignal | undefined): Promise<void> {
  const [beyond] = beyondReach(programs)
  if (beyond) throw byHand(beyond)
  const packages = debianPackages(programs)
  if (packages.length > 0) await installDebian(packages, progress, signal)
  for (const program of programs) if ('go' in program.from) await installGo(program.name, program.from.go, progress, signal)
  if (programs.some(({ from }) => 'wheel' in from)) await installFalkorDB(progress, signal)
  const still = programs.filter((program) => !lookUp(program.name))
  if (still.length === 0) return
  const object = still.map(({ name }) => name).join(', ')
  const next = [...new Set(still.map(({ install }) => install))].join('; ')
  throw new HoldfastError('TOOL_MISSING', `installed, and yet not there: ${object}`, { object, next })
}

interface Beyond {
  programs: readonly Program[]
  /** What installing them takes. */
  takes: string
  next: string
}

/** The programs that cannot be installed here, by what that would take. */
function beyondReach(programs: readonly Program[]): Beyond[] {
  const debian = mayInstallDebian() ? [] : programs.filter(({ from }) => 'debian' in from)
  const wheel = mayInstallFalkorDB() ? [] : programs.filter(({ from }) => 'wheel' in from)
  const command = `sudo apt-get install --no-install-recommends ${debianPackages(debian).join(' ')}`
  return [
    { programs: debian, takes: 'root and apt-get', next: command },
    { programs: wheel, takes: 'Debian on an x86-64 processor', next: 'use such a machine' },
  ].filter((way) => way.programs.length > 0)
}

function byHand({ programs, takes, next }: Beyond): HoldfastError {
  const names = programs.map(({ name }) => name).join(', ')
  return new HoldfastError('TOOL_MISSING', `missing on this machine, and installing it takes ${takes}: ${names}`, { object: names, next })
}
