/** What a run may leave on a machine: its folder, processes that belong to it, shared memory of its servers. */
import { existsSync } from 'node:fs'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'

/** Pids of every server that the supervisors of the run ever started; read before the folder goes. */
export async function serversOf(dir: string): Promise<Set<string>> {
  const logs = await Promise.all(
    ['east', 'west'].map((site) => readFile(join(dir, 'pair', site, 'supervisor.log'), 'utf8').catch(() => '')),
  )
  return new Set([...logs.join('\n').matchAll(/started postmaster (\d+)/g)].map(([, pid]) => pid ?? ''))
}

/** Everything of the run that is still there. */
export async function leftovers(dir: string, servers: Set<string>): Promise<string[]> {
  return [...(existsSync(dir) ? [`folder ${dir}`] : []), ...(await processes(dir)), ...(await sharedMemory(servers))]
}

/** Processes that work in the folder or were started with it. */
async function processes(dir: string): Promise<string[]> {
  const found: string[] = []
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    const [cwd, command] = await Promise.all([
      readlink(`/proc/${pid}/cwd`).catch(() => ''),
      readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''),
    ])
    if (cwd.startsWith(dir) || command.includes(dir)) found.push(`process ${pid} ${command.replaceAll('\0', ' ').slice(0, 80)}`)
  }
  return found
}

/** A segment whose maker is gone was forgotten by a server that died. */
async function sharedMemory(servers: Set<string>): Promise<string[]> {
  const text = await readFile('/proc/sysvipc/shm', 'utf8').catch(() => '')
  const rows = text.split('\n').map((line) => line.trim().split(/\s+/))
  return rows.filter((row) => servers.has(row[4] ?? '')).map((row) => `shared memory ${row[1]}`)
}
