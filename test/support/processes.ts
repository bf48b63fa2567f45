/** Looking at what this process started, and only at that. */
import { readdir, readFile } from 'node:fs/promises'

/** Pids of live children of this process that run the program. */
export async function childrenRunning(program: string): Promise<number[]> {
  const found: number[] = []
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const stat = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => '')
    const [, name, state, parent] = /^\d+ \((.*)\) (\S) (\d+)/s.exec(stat) ?? []
    if (name === program && state !== 'Z' && Number(parent) === process.pid) found.push(Number(entry))
  }
  return found
}

/** The command lines of all processes of the machine that the user may see. */
export async function commandLines(): Promise<string[]> {
  const lines = await Promise.all(
    (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry)).map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  )
  return lines.map((line) => line.replaceAll('\0', ' '))
}
