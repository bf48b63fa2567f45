/** Processes by a mark in their environment, which all that they start inherit: found also when who started them is gone. */
import { readdir, readFile } from 'node:fs/promises'
import { until } from './wait.ts'

/** Given to a command as its environment. */
export const markOf = (mark: string): Record<string, string> => ({ HOLDFAST_MARK: mark })

/** Resolves once none that carries the mark runs: asked first, forced after a while. */
export async function stopMarked(mark: string, graceMs = 5_000): Promise<void> {
  await signalMarked(mark, 'SIGTERM')
  const gone = async () => (await markedPids(mark)).length === 0
  const waiting = { timeoutMs: graceMs, everyMs: 50, what: `the processes of ${mark} to end` }
  await until(gone, waiting).catch(async () => {
    // Each time anew: one may have started another between the look and the signal.
    const forced = async () => {
      await signalMarked(mark, 'SIGKILL')
      return gone()
    }
    await until(forced, { ...waiting, timeoutMs: 30_000 })
  })
}

async function signalMarked(mark: string, signal: NodeJS.Signals): Promise<void> {
  for (const pid of await markedPids(mark)) {
    try {
      process.kill(pid, signal)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
}

/** One that has ended and that nobody collects has no environment any more. */
async function markedPids(mark: string): Promise<number[]> {
  const wanted = `HOLDFAST_MARK=${mark}`
  const found: number[] = []
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const environment = await readFile(`/proc/${entry}/environ`, 'utf8').catch(() => '')
    if (environment.split('\0').includes(wanted)) found.push(Number(entry))
  }
  return found
}
