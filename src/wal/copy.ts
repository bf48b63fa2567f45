/** Archived files in a second repository: the same objects and records under the same keys, so that a fetch reads either. */
import { openRecord } from '../catalog/records.ts'
import { mapConcurrently } from '../catalog/concurrent.ts'
import { type SendOptions, sendObjects } from '../catalog/copy-objects.ts'
import { HoldfastError, isUnsound } from '../core/errors.ts'
import { readAll, type Store } from '../storage/store.ts'
import { parseWalName, recordKeyOf } from './names.ts'
import { type ReadingArchive, walRecordSchema } from './record.ts'

/** Small segments are what most logs have: the answers of the stores are what takes time. */
const ROUND = 64

export interface WalCopied {
  segments: number
  bytes: number
  /** What is not sound where it was to come from: it was not brought. */
  unsound: { name: string; message: string }[]
}

/**
 * Safe to repeat: the record comes last, and what has none there is not archived. In rounds, so that a try which was killed
 * leaves no hole far from its end. One that is damaged keeps no other from its copy.
 */
export async function copyWal(
  from: ReadingArchive & { store: Store },
  to: Store,
  names: readonly string[],
  options: SendOptions,
): Promise<WalCopied> {
  const done: WalCopied = { segments: 0, bytes: 0, unsound: [] }
  for (let at = 0; at < names.length; at += ROUND) {
    options.signal?.throwIfAborted()
    await mapConcurrently(names.slice(at, at + ROUND), async (name) => {
      try {
        const size = await copyOne(from, to, name, options)
        done.segments += 1
        done.bytes += size
      } catch (error) {
        if (!isUnsound(error)) throw error
        done.unsound.push({ name, message: error.message })
      }
    })
    options.onProgress?.({ phase: `copy ${from.archive}`, bytes: done.bytes, parts: done.segments })
  }
  return done
}

async function copyOne(
  { archive, store, verifier }: ReadingArchive & { store: Store },
  to: Store,
  name: string,
  options: SendOptions,
): Promise<number> {
  const key = recordKeyOf(archive, parseWalName(name))
  const bytes = await readAll(store, key)
  const { artifact } = openRecord(verifier, walRecordSchema, key, bytes).record
  const { onProgress: _, ...quiet } = options
  await sendObjects(store, to, [artifact], quiet)
  if ((await to.put(key, bytes, { ifAbsent: true })) === 'exists' && !(await readAll(to, key)).equals(bytes))
    throw new HoldfastError('STORE_CONFLICT', `another record of ${name} stands at ${key} in ${to.name}; it was kept`, { object: key })
  return artifact.storedBytes
}
