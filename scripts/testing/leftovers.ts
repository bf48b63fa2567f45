/** What a test run leaves behind: processes that carry its mark, and files in its temporary folder. */
import { readdirSync, readFileSync } from 'node:fs'
import { until } from '../../src/process/wait.ts'

const MARK = 'HOLDFAST_TEST_RUN'
const FORCED_MS = 10_000

/** Environment that marks every process of the run, also those that outlive their parent. */
export function markOf(run: string): Record<string, string> {
  return { [MARK]: run }
}

/** Stops what still runs once it had time to end by itself; gives a line for each that had to be stopped. */
export async function stopLeftovers(run: string, patienceMs: number): Promise<string[]> {
  const gone = await until(() => marked(run).length === 0, { timeoutMs: patienceMs, what: 'the processes of the tests to end' }).catch(
    () => false,
  )
  if (gone) return []
  const left = marked(run)
  for (const { pid } of left) signal(pid, 'SIGTERM')
  await until(() => marked(run).length === 0, { timeoutMs: FORCED_MS, what: 'leftovers to end' }).catch(() => {
    for (const { pid } of marked(run)) signal(pid, 'SIGKILL')
  })
  return left.map(({ pid, command }) => `process ${pid} was left behind: ${command}`)
}

function marked(run: string): { pid: number; command: string }[] {
  const pids = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
  return pids.flatMap((pid) => {
    const environment = read(`/proc/${pid}/environ`).split('\0')
    if (!environment.includes(`${MARK}=${run}`)) return []
    return [{ pid: Number(pid), command: read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').slice(0, 120) }]
  })
}

/** Empty where the process has ended or belongs to somebody else. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It has ended in the meantime.
  }
}
