/** Room beside a data directory, looked at before anything is copied. */
import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'

/** Throws SPACE_SHORT unless so many bytes are free in the folder that holds `dataDir`. */
export async function requireFree(dataDir: string, needed: number, what: string): Promise<void> {
  const folder = dirname(dataDir)
  const disk = await statfs(folder)
  const free = disk.bavail * disk.bsize
  if (free >= needed) return
  const mb = (bytes: number) => `${Math.ceil(bytes / 1024 / 1024)} MB`
  throw new HoldfastError('SPACE_SHORT', `${what} needs ${mb(needed)}, and ${folder} has ${mb(free)} free`, {
    object: folder,
    details: { needed, free },
    next: `free ${mb(needed - free)} in ${folder}`,
  })
}
