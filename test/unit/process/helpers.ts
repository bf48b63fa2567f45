import { readdirSync, readFileSync } from 'node:fs'
import type { Command } from '../../../src/process/command.ts'
import { until } from '../../../src/process/wait.ts'

export const command = (program: string, ...args: string[]): Command => ({ program, args })
export const shell = (script: string, ...args: string[]): Command => command('sh', '-c', script, 'sh', ...args)

let count = 0
/** Seconds to sleep that no other process of the machine sleeps: finds a test's own processes again. */
export const uniqueSleep = (): string => `86${process.pid}.${++count}`

/** Process ids of living processes with this word among their arguments. */
export function processesWith(word: string): number[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid) && pid !== String(process.pid))
    .filter((pid) => {
      try {
        const state = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.[0]
        return state !== 'Z' && readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(word)
      } catch {
        return false
      }
    })
    .map(Number)
}

const isSleep = (pid: number): boolean => readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'sleep'

/** Waits until so many programs sleep: whatever their shells had to do before is done. */
export const sleeps = (word: string, count = 1): Promise<true> =>
  until(() => processesWith(word).filter(isSleep).length >= count, { timeoutMs: 60_000, what: `${count} programs with ${word}` })
export const ends = (word: string): Promise<true> =>
  until(() => processesWith(word).length === 0, { timeoutMs: 30_000, what: `every process with ${word} to end` })
