/** Of the points that are to be copied, those in an archive: which of them can be read by now, and which have to be asked for. */
import type { Catalog } from '../src/catalog/catalog.ts'
import { mapConcurrently } from '../src/catalog/concurrent.ts'
import type { CopyChoice } from '../src/core/copies.ts'
import type { PointSummary } from '../src/core/records.ts'
import { archiveOf } from '../src/core/transitions.ts'
import type { Store } from '../src/storage/store.ts'

export interface Frozen {
  id: string
  /** The storage class. */
  archived: string
}

interface From {
  source: string
  store: Store
  catalog: Catalog
  /** All points of the source. */
  here: readonly PointSummary[]
  signal: AbortSignal
}

/** What can be copied now, and what has to be thawed before it can. `choose` is given the points in an archive that count as readable. */
export async function chooseThawed(
  from: From,
  choose: (thawed: ReadonlySet<string>) => CopyChoice,
): Promise<{ choice: CopyChoice; frozen: Frozen[] }> {
  const { here } = from
  const archives = new Map<string, string>()
  for (const point of here) {
    const archive = archiveOf(point, here)
    if (archive !== undefined) archives.set(point.id, archive)
  }
  const wanted = choose(new Set(archives.keys())).points.filter(({ id }) => archives.has(id))
  const readable = await mapConcurrently(wanted, async ({ id }) => ({ id, open: await isReadable(from, id) }))
  const thawed = new Set<string>()
  // Before each stands what it needs: without that it is of no use there.
  for (const { id, open } of readable) {
    const { parents = [] } = here.find((point) => point.id === id) ?? {}
    if (open && parents.every((parent) => thawed.has(parent) || !wanted.some((one) => one.id === parent))) thawed.add(id)
  }
  const frozen = wanted.flatMap(({ id }) => (thawed.has(id) ? [] : [{ id, archived: archives.get(id) ?? '' }]))
  return { choice: choose(thawed), frozen }
}

async function isReadable({ source, store, catalog, signal }: From, id: string): Promise<boolean> {
  const { manifest } = await catalog.readManifest(source, id)
  for (const { key } of manifest.artifacts) {
    signal.throwIfAborted()
    const { thaw = 'readable' } = (await store.head(key)) ?? {}
    if (thaw !== 'readable') return false
  }
  return true
}
