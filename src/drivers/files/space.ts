/** Whether a point has room where it is to be restored. */
import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { recordedCounts } from './count.ts'

/** What the files of a point take, and something for each of them. */
export async function requireSpace(folder: string, manifest: Manifest): Promise<void> {
  const counts = recordedCounts(manifest.inventory)
  const wanted = manifest.sizeBytes + 4096 * ((counts?.files ?? 0) + (counts?.folders ?? 0))
  const place = await statfs(folder).catch(() => statfs(dirname(folder)))
  const free = Number(place.bavail) * Number(place.bsize)
  if (free >= wanted) return
  throw new HoldfastError('SPACE_SHORT', `${folder} has ${free} bytes free; the tree may need ${wanted}`, { object: folder })
}
