/**
 * What a capture found, kept in the repository between the steps of a backup: the history carries references, not data.
 * Gone when the point is published; removed with everything else when it is not.
 */
import { HoldfastError } from '../core/errors.ts'
import type { Captured } from '../drivers/driver.ts'
import { readAll, type Store } from '../storage/store.ts'

export type Staged = Captured & { versions: Record<string, string>; startedAt: string }

export const stagedKey = (source: string, id: string, attempt: number): string => `holdfast/v1/${source}/${id}/capture.${attempt}.json`

export async function stage(store: Store, place: { source: string; id: string; attempt: number }, captured: Staged): Promise<void> {
  await store.put(stagedKey(place.source, place.id, place.attempt), Buffer.from(JSON.stringify(captured)), { ifAbsent: false })
}

/** Throws NOT_FOUND where the capture of that attempt never ended. */
export async function readStaged(store: Store, place: { source: string; id: string; attempt: number }): Promise<Staged> {
  const key = stagedKey(place.source, place.id, place.attempt)
  if (!(await store.head(key))) throw new HoldfastError('NOT_FOUND', `The capture of ${place.id} is not in the repository`, { object: key, next: 'start the backup again' })
  return JSON.parse((await readAll(store, key)).toString()) as Staged
}
