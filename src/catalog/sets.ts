/** Records of recovery sets. Each stands in every repository that has a point of it: whichever is left knows the whole. */
import { HoldfastError } from '../core/errors.ts'
import { type SetRecord, setRecordSchema } from '../core/sets.ts'
import { ROOT } from './keys.ts'
import { type CatalogContext, misplaced, readRecord, seal } from './records.ts'

export const SETS = `${ROOT}sets/`
const NAME = /^\d{8}_\d{6}_[a-z0-9][a-z0-9_-]*$/

/** `20251018_214530_everything`, in UTC: sorts by time. */
export const setId = (set: string, at: Date): string => `${at.toISOString().replace(/[-:]/g, '').replace('T', '_').slice(0, 15)}_${set}`

function keyOf(id: string): string {
  if (NAME.test(id)) return `${SETS}${id}.json`
  throw new HoldfastError('INPUT_INVALID', `"${id}" is not the id of a recovery set, like 20251018_214530_everything`, { object: id })
}

/** The same run may repeat it. Throws STORE_CONFLICT where another record has the id. */
export async function publishSet(context: CatalogContext, record: SetRecord): Promise<void> {
  const key = keyOf(record.id)
  const { bytes } = seal(context, setRecordSchema, record)
  if ((await context.store.put(key, bytes, { ifAbsent: true })) === 'created') return
  if ((await readSet(context, record.id)).runId === record.runId) return
  throw new HoldfastError('STORE_CONFLICT', `another set of the same second stands at ${key}`, { object: key, next: 'start it again' })
}

/** Throws NOT_FOUND, SIGNATURE_INVALID, INTEGRITY. */
export async function readSet(context: Pick<CatalogContext, 'store' | 'verifier'>, id: string): Promise<SetRecord> {
  const key = keyOf(id)
  const { record } = await readRecord(context, setRecordSchema, key)
  if (record.id !== id) throw misplaced(key, `it is the record of ${record.id}`)
  return record
}

/** Newest first; of one set, or of all. */
export async function listSets(context: Pick<CatalogContext, 'store' | 'verifier'>, set?: string): Promise<SetRecord[]> {
  const ids: string[] = []
  for await (const { key } of context.store.list(SETS)) ids.push(key.slice(SETS.length).replace(/\.json$/, ''))
  const records = await Promise.all(ids.sort().map((id) => readSet(context, id)))
  return records.filter((record) => set === undefined || record.set === set).reverse()
}
