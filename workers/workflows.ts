/** The workflows as one piece of code, as a worker runs them. */
import { fileURLToPath } from 'node:url'
import { HoldfastError } from '../src/core/errors.ts'
import { run } from '../src/process/run.ts'

/** Bundled in a process of its own: what it takes, some 170 MB, goes with that process. */
export async function bundleWorkflows(signal?: AbortSignal): Promise<string> {
  const program = fileURLToPath(new URL('./bundle.ts', import.meta.url))
  const options = { timeoutMs: 120_000, ...(signal && { signal }) }
  const { stdout, truncated } = await run({ program: process.execPath, args: [program] }, options)
  if (truncated) throw new HoldfastError('UNEXPECTED', `the bundle of the workflows is longer than ${stdout.length} bytes and was cut`)
  return stdout
}
