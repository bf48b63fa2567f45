/** Packages of Python's registry, by a virtual environment: Debian's own Python refuses them elsewhere. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError, messageOf } from '../../src/core/errors.ts'
import { run } from '../../src/process/run.ts'
import { findProgram } from './find.ts'

/** Makes the environment in the folder and has its pip install what the arguments say. Leaves no folder where that fails. */
export async function installPython(what: string, folder: string, args: readonly string[], signal?: AbortSignal): Promise<void> {
  try {
    await run({ program: findProgram('python3'), args: ['-m', 'venv', folder] }, { signal, timeoutMs: 300_000 })
    const pip = join(folder, 'bin', 'pip')
    await run({ program: pip, args: ['install', '--quiet', '--disable-pip-version-check', ...args] }, { signal, timeoutMs: 900_000 })
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    if (signal?.aborted) throw error
    throw new HoldfastError('TOOL_MISSING', `${what} could not be installed: ${messageOf(error)}`, {
      object: what,
      next: 'install Python with its venv module (apt-get install --no-install-recommends python3-venv), see that pip reaches its registry, try again',
      cause: error,
    })
  }
}
