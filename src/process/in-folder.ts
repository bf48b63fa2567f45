/** Processes by the folder that they work in: what still runs on a data directory, whatever its pid file says. */
import { readdir, readFile, readlink, realpath } from 'node:fs/promises'
import { until } from './wait.ts'

export interface FolderProcess {
  pid: number
  cwd: string
  name: string
}

/** Live processes whose working directory is `folder` or inside it. Zombies are not live: they hold nothing. */
export async function processesIn(folder: string): Promise<FolderProcess[]> {
  const root = await realpath(folder).catch(() => folder)
  const found: FolderProcess[] = []
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const cwd = await readlink(`/proc/${entry}/cwd`).catch(() => undefined)
    // A removed folder reads as `/path (deleted)`.
    const place = cwd?.replace(/ \(deleted\)$/, '')
    if (place === undefined || (place !== root && !place.startsWith(`${root}/`))) continue
    const stat = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => undefined)
    const parts = stat === undefined ? undefined : /\((.*)\) (\S)/s.exec(stat)
    if (parts && parts[2] !== 'Z' && parts[2] !== 'X') found.push({ pid: Number(entry), cwd: place, name: parts[1] ?? '' })
  }
  return found
}

/** Sends the signal; a process that has gone meanwhile is no error. */
export function signalAll(processes: readonly FolderProcess[], signal: NodeJS.Signals): void {
  for (const { pid } of processes) {
    try {
      process.kill(pid, signal)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
}

/** Stops everything that works in the folder, asking first: resolves when nothing does. */
export async function stopProcessesIn(folder: string, graceMs = 5_000): Promise<void> {
  signalAll(await processesIn(folder), 'SIGTERM')
  const gone = async () => (await processesIn(folder)).length === 0
  try {
    await until(gone, { timeoutMs: graceMs, everyMs: 50, what: `the processes in ${folder} to end` })
  } catch {
    await until(
      async () => {
        signalAll(await processesIn(folder), 'SIGKILL')
        return gone()
      },
      { timeoutMs: 30_000, everyMs: 50, what: `the killed processes in ${folder} to end` },
    )
  }
}
