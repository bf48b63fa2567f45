/** Free space, asked before a restore fills a disk that others use. */
import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'

/** Room for the WAL that replay writes beside the files. */
const WAL_ROOM = 256 * 1024 * 1024

/** Throws SPACE_SHORT where the disk of `dir` (or of the nearest folder above it that exists) has less than the restore needs. */
export async function requireSpace(dir: string, bytes: number, otherwise = 'choose another scratchDir'): Promise<void> {
  const needed = Math.ceil(bytes * 1.05) + WAL_ROOM
  const found = await nearest(dir)
  const free = found.bavail * found.bsize
  if (free >= needed) return
  throw new HoldfastError('SPACE_SHORT', `${dir} has ${mib(free)} free and the restore needs ${mib(needed)}`, {
    object: dir,
    next: `free ${mib(needed - free)} there, or ${otherwise}`,
    details: { free, needed },
  })
}

async function nearest(path: string): Promise<{ bavail: number; bsize: number }> {
  const found = await statfs(path).catch(() => undefined)
  return found ?? nearest(dirname(path))
}

const mib = (bytes: number) => `${Math.ceil(bytes / 1024 / 1024)} MiB`
