/** A point in a folder of its own: nothing of the live tree is touched, and nobody but the worker's user may enter. */
import { statfs } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { shellWord } from '../../process/shell.ts'
import type { ArtifactSource, DriverContext, Restored, RestoreChoice } from '../driver.ts'
import type { FilesSourceConfig } from './config.ts'
import { recordedCounts } from './count.ts'
import { entriesIn, fetchIndex, fillTree, type Point } from './fill.ts'
import { picksOf } from './picks.ts'
import { indexIn, makeScratch, makeTree, removeScratch } from './scratch.ts'

export async function restoreScratch(
  config: FilesSourceConfig,
  context: DriverContext,
  manifest: Manifest,
  source: ArtifactSource,
  { dir, choice = {} }: { dir: string; choice?: RestoreChoice },
): Promise<Restored> {
  try {
    await makeScratch(dir)
    await requireSpace(dir, manifest)
    const point: Point = { manifest, source, gpg: config.gpg, context }
    await fetchIndex(point, indexIn(dir))
    const picks = await picksOf(choice.parts, () => entriesIn(indexIn(dir)))
    const tree = await makeTree(dir)
    await fillTree(point, indexIn(dir), tree, picks)
    context.signal.throwIfAborted()
    const name = basename(config.root) || '/'
    return {
      target: { kind: 'scratch', dir, connection: tree, database: name, connect: `ls -la ${shellWord(tree)}` },
      bytes: manifest.sizeBytes,
    }
  } catch (error) {
    await removeScratch(dir)
    throw context.signal.aborted
      ? new HoldfastError('CANCELLED', `the restore into ${dir} was cancelled`, { object: dir, cause: error })
      : error
  }
}

/** What the files of a point take, and something for each of them. */
export async function requireSpace(folder: string, manifest: Manifest): Promise<void> {
  const counts = recordedCounts(manifest.inventory)
  const wanted = manifest.sizeBytes + 4096 * ((counts?.files ?? 0) + (counts?.folders ?? 0))
  const place = await statfs(folder).catch(() => statfs(dirname(folder)))
  const free = Number(place.bavail) * Number(place.bsize)
  if (free >= wanted) return
  throw new HoldfastError('SPACE_SHORT', `${folder} has ${free} bytes free; the tree may need ${wanted}`, { object: folder })
}
