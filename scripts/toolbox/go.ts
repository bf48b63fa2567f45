/** Programs built from Go modules, into the cache. */
import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError, messageOf } from '../../src/core/errors.ts'
import { run } from '../../src/process/run.ts'
import type { Progress } from './ensure.ts'
import { lookUp } from './find.ts'
import { whileTelling } from './progress.ts'
import { cacheBin, cacheDir } from './programs.ts'
import { downloadTemporal } from './download.ts'

/** Builds the module and puts the program into the cache, whole or not at all. `temporal` may be downloaded where Go cannot build it. */
export async function installGo(name: string, module: string, progress: Progress, signal?: AbortSignal): Promise<void> {
  const folder = join(cacheDir(), 'build')
  // A run that was killed left its own; under the toolbox's lock nobody else uses it.
  await rm(folder, { recursive: true, force: true })
  await mkdir(cacheBin(), { recursive: true })
  try {
    const built = await whileTelling(progress, `building ${name} ${module.split('@')[1]} with Go`, () =>
      build(folder, name, module, signal),
    ).catch((error: unknown) => {
      if (name !== 'temporal' || signal?.aborted) throw error
      progress(`${messageOf(error).split('\n')[0]}: downloading it instead`)
      return downloadTemporal(folder, signal)
    })
    await rename(built, join(cacheBin(), name))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function build(folder: string, name: string, module: string, signal: AbortSignal | undefined): Promise<string> {
  const go = lookUp('go') ?? ['/usr/local/go/bin/go', '/usr/lib/go/bin/go'].find(existsSync)
  if (!go)
    throw new HoldfastError('TOOL_MISSING', `${name} is built with Go, which is not on PATH`, {
      object: 'go',
      next: 'install Go 1.26 or later and put it on PATH',
    })
  const env = {
    GOBIN: join(folder, 'bin'),
    // What the build downloads and compiles is of no further use, and read-only modules could not be removed.
    GOPATH: join(folder, 'path'),
    GOCACHE: join(folder, 'cache'),
    GOFLAGS: [process.env.GOFLAGS, '-modcacherw'].filter(Boolean).join(' '),
  }
  await mkdir(join(folder, 'tmp'), { recursive: true })
  await run({ program: go, args: ['install', module], env: { ...env, GOTMPDIR: join(folder, 'tmp') }, cwd: folder }, { signal })
  return join(folder, 'bin', name)
}
