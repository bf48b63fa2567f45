/**
 * What a capture found, kept in the repository between the steps of a backup: the history carries references, not data.
 * Gone when the point is published; removed with everything else when it is not.
 */
import { blake3 } from '@napi-rs/blake-hash'
import { HoldfastError } from '../core/errors.ts'
import type { Manifest } from '../core/records.ts'
import type { Captured } from '../drivers/driver.ts'
import { readAll, type Store } from '../storage/store.ts'

export type Staged = Captured & {
  versions: Record<string, string>
  startedAt: string
  /** Of a backup that was taken earlier; else it is complete when it is published. */
  completedAt?: string
  adopted?: Manifest['adopted']
}

export const stagedKey = (source: string, id: string, attempt: number): string => `holdfast/v1/${source}/${id}/capture.${attempt}.json`

/** Resolves to the digest that readStaged wants: nobody may alter it in between and have it signed. */
export async function stage(store: Store, place: { source: string; id: string; attempt: number }, captured: Staged): Promise<string> {
  const bytes = Buffer.from(JSON.stringify(captured))
  await store.put(stagedKey(place.source, place.id, place.attempt), bytes, { ifAbsent: false })
  return blake3(bytes).toString('hex')
}

/** Throws INTEGRITY, and NOT_FOUND where the capture of that attempt never ended. */
export async function readStaged(store: Store, place: { source: string; id: string; attempt: number; digest: string }): Promise<Staged> {
  const key = stagedKey(place.source, place.id, place.attempt)
  if (!(await store.head(key)))
    throw new HoldfastError('NOT_FOUND', `The capture of ${place.id} is not in the repository`, {
      object: key,
      next: 'start the backup again',
    })
  const bytes = await readAll(store, key)
  if (blake3(bytes).toString('hex') !== place.digest)
    throw new HoldfastError('INTEGRITY', `${key} was altered after the capture`, {
      object: key,
      next: 'find out who writes to the repository; start the backup again',
    })
  return JSON.parse(bytes.toString()) as Staged
}
