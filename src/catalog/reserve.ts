/** Ids that nobody else uses: two runs of one second must not write below one id. */
import { HoldfastError } from '../core/errors.ts'
import { type PointKind, pointId } from '../core/ids.ts'
import { readAll } from '../storage/store.ts'
import { pointPrefix, reservationKey } from './keys.ts'
import { type CatalogContext, isGone } from './records.ts'

const MOST = 100

/**
 * An id of that moment with nothing below it, now marked as taken. The same owner, a run that asks again after its reply
 * was lost, gets the same id.
 */
export async function reserveId(
  { store }: Pick<CatalogContext, 'store'>,
  source: string,
  kind: PointKind,
  at: Date,
  owner?: string,
): Promise<string> {
  for (let attempt = 1; attempt <= MOST; attempt++) {
    const id = pointId(at, kind, attempt)
    const key = reservationKey(source, id)
    const mark = Buffer.from(
      JSON.stringify({
        format: 'holdfast/v1',
        type: 'reservation',
        source,
        id,
        at: at.toISOString(),
        ...(owner === undefined ? {} : { owner }),
      }),
    )
    if ((await store.put(key, mark, { ifAbsent: true })) === 'exists') {
      if (owner !== undefined && (await ownerOf(store, key)) === owner) return id
      continue
    }
    if (!(await isUsed(store, pointPrefix(source, id), key))) return id
    await store.delete(key)
  }
  throw new HoldfastError('BUSY', `${MOST} recovery points of ${source} began in the same second`, {
    object: source,
    next: 'start it again',
  })
}

/** A published point has no reservation any more, a half-deleted one neither. */
async function isUsed(store: CatalogContext['store'], prefix: string, reservation: string): Promise<boolean> {
  for await (const { key } of store.list(prefix)) if (key !== reservation) return true
  return false
}

async function ownerOf(store: CatalogContext['store'], key: string): Promise<unknown> {
  try {
    return (JSON.parse(String(await readAll(store, key))) as { owner?: unknown }).owner
  } catch (error) {
    if (isGone(error)) return undefined
    throw error
  }
}
