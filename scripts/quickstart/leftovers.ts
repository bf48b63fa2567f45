/** What a run may leave on a machine, counted before and after: processes, ports, shared memory, temporary folders. */
import { existsSync } from 'node:fs'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'

const TEMP = tmpdir()

/** Everything of ours that is there now; with an earlier count, only what came since. */
export async function leftovers(before: string[] = []): Promise<string[]> {
  const found = [...(await folders()), ...(await processes()), ...(await sharedMemory())]
  const known = new Set(before)
  return found.filter((one) => !known.has(one))
}

async function folders(): Promise<string[]> {
  return (await readdir(TEMP)).filter((name) => name.startsWith('holdfast-quickstart-')).map((name) => `folder ${TEMP}/${name}`)
}

/** Processes that work in a folder of ours or were started with one, by pid. */
async function processes(): Promise<string[]> {
  const found: string[] = []
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    const [cwd, command] = await Promise.all([
      readlink(`/proc/${pid}/cwd`).catch(() => ''),
      readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''),
    ])
    if (cwd.includes('/holdfast-quickstart-') || command.includes('/holdfast-quickstart-'))
      found.push(`process ${pid} ${command.replaceAll('\0', ' ').slice(0, 80)}`)
  }
  return found
}

async function sharedMemory(): Promise<string[]> {
  const text = await readFile('/proc/sysvipc/shm', 'utf8').catch(() => '')
  const rows = text
    .split('\n')
    .slice(1)
    .filter(Boolean)
    .map((line) => line.trim().split(/\s+/))
  // A segment whose maker is gone and that nobody uses was forgotten by a server that died.
  return rows.filter((row) => row[6] === '0' && !existsSync(`/proc/${row[4]}`)).map((row) => `shared memory ${row[1]}`)
}
