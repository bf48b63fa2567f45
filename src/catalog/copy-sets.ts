/** Records of recovery sets follow the points that they name: whichever repository is left knows what belongs together. */
import { setRecordSchema } from '../core/sets.ts'
import { readAll, type Store } from '../storage/store.ts'
import { untrusted } from './copy-notes.ts'
import { manifestKey } from './keys.ts'
import { type CatalogContext, misplaced, openRecord } from './records.ts'
import { SETS } from './sets.ts'

/** Brings those that name a point of the source of which there is a copy. Resolves to what could not be trusted, and was left. */
export async function bringSets(
  { store, verifier }: Pick<CatalogContext, 'store' | 'verifier'>,
  to: Store,
  source: string,
): Promise<string[]> {
  const there = new Set<string>()
  for await (const { key } of to.list(SETS)) there.add(key)
  const problems: string[] = []
  for await (const { key } of store.list(SETS)) {
    if (there.has(key)) continue
    const bring = async () => {
      const bytes = await readAll(store, key)
      const { record } = openRecord(verifier, setRecordSchema, key, bytes)
      if (key !== `${SETS}${record.id}.json`) throw misplaced(key, `it is the record of ${record.id}`)
      const id = record.members.find((member) => member.source === source)?.id
      if (id !== undefined && (await to.head(manifestKey(source, id)))) await to.put(key, bytes, { ifAbsent: true })
      return []
    }
    problems.push(...(await untrusted(bring)))
  }
  return problems
}
