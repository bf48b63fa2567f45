/** The System V segment that a postmaster holds: as long as somebody is attached, something of it lives. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../../process/run.ts'

export interface Segment {
  key: number
  id: string
}
export interface PidFile {
  pid: number
  segment?: Segment
}

/** What postmaster.pid says; whether the process is there is another question. */
export async function readPidFile(site: { dataDir: string }): Promise<PidFile | undefined> {
  const lines = (await readFile(join(site.dataDir, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')
  // Negative for a single-user server, as pg_rewind starts one.
  const pid = Math.abs(Number(lines[0]))
  if (!Number.isInteger(pid) || pid < 1) return undefined
  const [, key, id] = /^\s*(\d+)\s+(\d+)/.exec(lines[6] ?? '') ?? []
  return key && id ? { pid, segment: { key: Number(key) | 0, id } } : { pid }
}

/** How many are attached; 0 where the segment is gone. Ids are used again, so the key must fit too. */
export async function attachedTo(segment: Segment): Promise<number> {
  const table = await readFile('/proc/sysvipc/shm', 'utf8')
  for (const line of table.split('\n').slice(1)) {
    const [key, id, , , , , attached] = line.trim().split(/\s+/)
    if (id === segment.id && (Number(key) | 0) === segment.key) return Number(attached)
  }
  return 0
}

/** Removes what a killed postmaster left, once nobody is attached. */
export async function removeSegment(segment: Segment): Promise<void> {
  if ((await attachedTo(segment)) === 0) await run({ program: 'ipcrm', args: ['-m', segment.id] }, { accept: [0, 1] })
}
