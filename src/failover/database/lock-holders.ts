/** Who holds a file's lock, asked of the kernel (so that no pid was used again), and ending them with their children. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { until } from '../../process/wait.ts'

const numbers = async (path: string) => (await readdir(path).catch(() => [])).filter((entry) => /^\d+$/.test(entry)).map(Number)

/** Processes that hold a flock on the file; not those that wait for it. */
export async function holdersOf(path: string): Promise<number[]> {
  const { dev, ino } = await stat(path)
  const holders: number[] = []
  for (const pid of await numbers('/proc')) {
    for (const fd of await numbers(`/proc/${pid}/fd`)) {
      const found = await stat(`/proc/${pid}/fd/${fd}`).catch(() => undefined)
      if (found?.ino !== ino || found.dev !== dev) continue
      const info = await readFile(`/proc/${pid}/fdinfo/${fd}`, 'utf8').catch(() => '')
      if (/^lock:.*FLOCK/m.test(info)) holders.push(pid)
    }
  }
  return [...new Set(holders)]
}

/** Kills the holders and resolves, with all pids that were killed, when they hold nothing any more. */
export async function killHolders(path: string): Promise<number[]> {
  const holders = await holdersOf(path)
  // Stopped first, so that a holder cannot start another child while its children are ended.
  for (const pid of holders) send(pid, 'SIGSTOP')
  const all = [...new Set([...(await descendantsOf(holders)), ...holders])]
  for (const pid of all) send(pid, 'SIGKILL')
  await until(async () => (await holdersOf(path)).every((pid) => !holders.includes(pid)), {
    timeoutMs: 10_000,
    everyMs: 20,
    what: `the holders of ${path} to end`,
  })
  return all
}

async function descendantsOf(roots: number[]): Promise<number[]> {
  const parents = new Map<number, number>()
  for (const pid of await numbers('/proc')) {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
    if (text) parents.set(pid, Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1]))
  }
  const found: number[] = []
  for (let level = roots; level.length > 0; ) {
    const above = level
    level = [...parents].filter(([, parent]) => above.includes(parent)).map(([pid]) => pid)
    found.push(...level)
  }
  return found
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
