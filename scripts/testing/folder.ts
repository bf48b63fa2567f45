/** Where a test run keeps everything: in memory if there is room, as clusters of a thousand files each come and go by the hundred. */
import { chmod, lstat, mkdir, readdir, rm, statfs, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '../../src/process/run.ts'
import { isRunning } from '../toolbox/running.ts'

export interface TestFolder {
  /** The tests' TMPDIR; what is in it after them was left behind. */
  tests: string
  report: string
  workflows: string
  /** What Node compiled, for every further process of the run. */
  compiled: string
  remove(): Promise<void>
}

const MEMORY = '/dev/shm'
const GIB = 2 ** 30
/** A file that has clusters was seen to hold half a GiB, and four run at once; the rest of the memory is for the servers. */
export const ROOM = { files: 6 * GIB, memory: 10 * GIB }

/** Makes it, and removes those of runs that were killed. Who set TMPDIR has it there. */
export async function openTestFolder(): Promise<TestFolder> {
  const inMemory = !process.env['TMPDIR'] && (await holdsTests(MEMORY, ROOM))
  const parent = inMemory ? MEMORY : tmpdir()
  await removeAbandoned(parent)
  // Short: sockets lie below it, whose whole path has 107 bytes.
  const base = join(parent, `hf-${process.pid}`)
  const [tests, compiled] = [join(base, 't'), join(base, 'compiled')]
  await mkdir(base)
  for (const folder of [tests, compiled]) {
    await mkdir(folder)
    // As the one it stands for: servers that run as another user keep their data below it.
    await chmod(folder, 0o1777)
  }
  const remove = () => rm(base, { recursive: true, force: true, maxRetries: 5 })
  return { tests, report: join(base, 'report.json'), workflows: join(base, 'workflows.js'), compiled, remove }
}

/** Whether the folder is in memory, has the room, and does what tests ask of a file system: run programs, keep attributes. */
export async function holdsTests(folder: string, room: typeof ROOM): Promise<boolean> {
  const found = await statfs(folder).catch(() => undefined)
  if (found?.type !== 0x01021994 || found.bavail * found.bsize < room.files || process.availableMemory() < room.memory) return false
  const probe = join(folder, `hf-probe-${process.pid}`)
  try {
    await writeFile(probe, `#!/usr/bin/env python3\nimport os\nos.setxattr(__file__, 'user.holdfast', b'1')\n`, { mode: 0o755 })
    await run({ program: probe, args: [] })
    return true
  } catch {
    return false
  } finally {
    await rm(probe, { force: true })
  }
}

/** The folders of our own runs whose process is gone. */
export async function removeAbandoned(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const pid = Number(/^hf-(\d+)$/.exec(name)?.[1])
    if (!pid || (isRunning(pid) && pid !== process.pid)) continue
    const path = join(parent, name)
    if ((await lstat(path)).uid === process.getuid?.()) await rm(path, { recursive: true, force: true })
  }
}
