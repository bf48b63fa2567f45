/** What a run may leave on a machine, counted before and after: processes, ports, shared memory, temporary folders. */
import { readdir, readFile, readlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'

/** Everything of ours that is there now; with an earlier count, only what came since. */
export async function leftovers(before: string[] = []): Promise<string[]> {
  const found = [...(await folders()), ...(await processes()), ...(await sharedMemory())]
  const known = new Set(before)
  return found.filter((one) => !known.has(one))
}

async function folders(): Promise<string[]> {
  return (await readdir(tmpdir())).filter((name) => name.startsWith('holdfast-')).map((name) => `folder ${tmpdir()}/${name}`)
}

/** Processes that work in a folder of ours or were started with one, by pid. */
async function processes(): Promise<string[]> {
  const found: string[] = []
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    const [cwd, command] = await Promise.all([readlink(`/proc/${pid}/cwd`).catch(() => ''), readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')])
    if (cwd.includes('/holdfast-quickstart-') || command.includes('/holdfast-quickstart-')) found.push(`process ${pid} ${command.replaceAll('\0', ' ').slice(0, 80)}`)
  }
  return found
}

async function sharedMemory(): Promise<string[]> {
  const text = await readFile('/proc/sysvipc/shm', 'utf8').catch(() => '')
  return text.split('\n').slice(1).filter(Boolean).map((line) => `shared memory ${line.trim().split(/\s+/)[1]}`)
}
