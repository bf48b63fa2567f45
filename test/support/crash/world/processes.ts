/** Processes that a crash run's workers started, however long ago and whoever their parent is now. */
import { readdir, readFile, readlink } from 'node:fs/promises'
import { until } from '../../../../src/process/wait.ts'
import { CRASH_ENV } from '../plan.ts'

/**
 * Lines for those that are still there after a moment; `mark` is the crash plan, which every child inherits. What works
 * in `except` is looked at by others.
 */
export async function markedProcesses(mark: string, except: string): Promise<string[]> {
  let left: string[] = []
  await until(
    async () => {
      left = await marked(mark, except)
      return left.length === 0
    },
    { timeoutMs: 3_000, what: 'the processes of the workers to end' },
  ).catch(() => {})
  return left
}

async function marked(mark: string, except: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry))
  const found = await Promise.all(
    pids.map(async (pid) => {
      const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')
      if (!environment.split('\0').includes(`${CRASH_ENV}=${mark}`)) return []
      const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '')
      if (cwd.startsWith(`${except}/`)) return []
      const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ').trim()
      return [`process ${pid}: ${command}`]
    }),
  )
  return found.flat()
}
