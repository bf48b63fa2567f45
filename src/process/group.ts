/** Process groups: a program and all it started that did not leave it on purpose. */
import { readdirSync, readFileSync } from 'node:fs'

/** Whether a member of the process group runs. Ended ones that nobody collects, as in a container without init, do not count. */
export function groupAlive(group: number): boolean {
  try {
    process.kill(-group, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
  if (process.platform !== 'linux') return true
  return readdirSync('/proc').some((entry) => /^\d+$/.test(entry) && isMember(entry, group))
}

function isMember(pid: string, group: number): boolean {
  try {
    // The name, in brackets, may itself hold spaces and brackets.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const [state, , processGroup] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return Number(processGroup) === group && state !== 'Z' && state !== 'X'
  } catch {
    return false
  }
}
