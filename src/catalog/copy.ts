/**
 * A recovery point in a second repository: the same objects under the same keys, byte for byte, so that whatever reads the
 * one reads the other, and what was signed still holds. Killed anywhere it leaves no point that is not whole.
 */
import { HoldfastError } from '../core/errors.ts'
import { readAll, type Store } from '../storage/store.ts'
import { digestOf } from './canonical.ts'
import { bringNotesOf } from './copy-notes.ts'
import { type SendOptions, type Sent, sendObjects } from './copy-objects.ts'
import { dataPrefix, manifestKey, pointPrefix } from './keys.ts'
import { publishCopy, readManifest } from './manifests.ts'
import { type CatalogContext, misplaced } from './records.ts'

export interface CopyOptions extends SendOptions {
  /** Called right before the manifest is written: throws where this try was given up. */
  stillWanted?(): Promise<void>
}

export interface Copied extends Sent {
  id: string
  /** Notes that could not be trusted, and were left where they are. */
  problems: string[]
}

/**
 * Safe to repeat: what is there already is not sent again. Throws INTEGRITY where the first repository has other objects
 * than the manifest names, NOT_FOUND where a point that this one needs is not there yet.
 */
export async function copyPoint(
  from: Pick<CatalogContext, 'store' | 'verifier'>,
  to: Store,
  { source, id }: { source: string; id: string },
  options: CopyOptions = {},
): Promise<Copied> {
  const { manifest, digest, key } = await readManifest(from, source, id)
  const bytes = await readAll(from.store, key)
  if (digestOf(bytes) !== digest) throw misplaced(key, 'it was changed while it was read')
  if (manifest.reference)
    throw new HoldfastError(
      'INPUT_INVALID',
      `${id} references a repository of ${manifest.reference.engine}, which Holdfast does not copy`,
      {
        object: id,
        next: `let ${manifest.reference.engine} write a second repository of its own`,
      },
    )
  for (const parent of manifest.parents)
    if (!(await to.head(manifestKey(source, parent))))
      throw new HoldfastError('NOT_FOUND', `${id} needs ${parent}, of which ${to.name} has no copy`, {
        object: parent,
        next: `holdfast copy ${source}`,
      })
  const standing = await refuseOther(to, key, bytes)
  if (standing && !options.again) return { id, objects: 0, bytes: 0, problems: await bringNotesOf(from, to, { source, id, digest }) }
  // What an earlier try began and nobody completes.
  for await (const pending of to.pendingUploads(pointPrefix(source, id))) await to.abortUpload(pending)
  const isPublished = (object: string) => !object.startsWith(dataPrefix(source, id))
  const sent = await sendObjects(from.store, to, manifest.artifacts, { ...options, isPublished })
  const problems = await bringNotesOf(from, to, { source, id, digest })
  await publishCopy({ store: to }, { manifest, bytes }, options.stillWanted)
  return { id, ...sent, problems }
}

/** Whether the point is there already. Throws STORE_CONFLICT where another one stands in its place. */
async function refuseOther(to: Store, key: string, bytes: Buffer): Promise<boolean> {
  if (!(await to.head(key))) return false
  if ((await readAll(to, key)).equals(bytes)) return true
  throw new HoldfastError('STORE_CONFLICT', `another manifest stands at ${key} in ${to.name}; it was kept`, { object: key })
}
