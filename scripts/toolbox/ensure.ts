/** Finds each program of the toolbox on PATH or in the cache, and installs what is missing. Costs nothing where all are there. */
import { HoldfastError } from '../../src/core/errors.ts'
import { withLock } from '../lock.mjs'
import { debianPackages, installDebian, mayInstallDebian } from './debian.ts'
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

/** All that the tests start. Who may not install packages is told the command for the engines; what needs them is skipped. */
export async function ensureForTests(options: Omit<EnsureOptions, 'only'> = {}): Promise<void> {
  const beyond = mayInstallDebian() ? [] : missing(ENGINES).filter(({ from }) => 'debian' in from)
  if (beyond.length > 0) {
    const { message, next } = byHand(beyond, debianPackages(beyond))
    const progress = options.progress ?? toStderr
    progress(`${message}; tests that need them are skipped. To have them: ${next}`)
  }
  await ensureToolbox({ ...options, only: PROGRAMS.filter((program) => !beyond.includes(program)) })
}

function missing(only: readonly Program[] = PROGRAMS): Program[] {
  return only.filter(({ name }) => !lookUp(name))
}

function toStderr(line: string): void {
  process.stderr.write(`${line}\n`)
}

async function install(programs: readonly Program[], progress: Progress, signal: AbortSignal | undefined): Promise<void> {
  const packages = debianPackages(programs)
  if (packages.length > 0 && !mayInstallDebian()) throw byHand(programs, packages)
  if (packages.length > 0) await installDebian(packages, progress, signal)
  for (const program of programs) if ('go' in program.from) await installGo(program.name, program.from.go, progress, signal)
  const still = programs.filter((program) => !lookUp(program.name))
  if (still.length > 0) throw byHand(still, debianPackages(still))
}

function byHand(programs: readonly Program[], packages: readonly string[]): HoldfastError {
  const names = programs.filter((program) => 'debian' in program.from).map((program) => program.name)
  return new HoldfastError('TOOL_MISSING', `missing on this machine, and installing it takes root and apt-get: ${names.join(', ')}`, {
    object: names.join(', '),
    next: `sudo apt-get install --no-install-recommends ${packages.join(' ')}`,
  })
}
