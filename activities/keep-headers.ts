/** Headers of what goes into an archive, kept beside the point in a class that can be read: a rotation of keys needs no thaw then. */
import type { Catalog } from '../src/catalog/catalog.ts'
import { mapConcurrently } from '../src/catalog/concurrent.ts'
import { ownEncrypted } from '../src/catalog/rotated.ts'
import { HoldfastError } from '../src/core/errors.ts'
import type { Manifest } from '../src/core/records.ts'
import { readHeader } from '../src/pipeline/age-header.ts'
import type { Reader } from '../src/storage/store.ts'

interface Keeping {
  store: Reader
  catalog: Pick<Catalog, 'keysOf' | 'addKeys'>
  run: { workflowId: string; runId: string }
}

/** What cannot be read any more keeps no point from its class. A point whose keys were rotated has such a note already. */
export async function keepHeaders({ store, catalog, run }: Keeping, manifest: Manifest): Promise<void> {
  const { source, id, encryption } = manifest
  const own = ownEncrypted(manifest)
  if (own.length === 0 || (await catalog.keysOf(source, id)).length > 0) return
  try {
    const headers = await mapConcurrently(own, async ({ key }) => ({ key, header: (await readHeader(store, key)).toString() }))
    const note = { format: 'holdfast/v1', type: 'keys', source, id, at: new Date().toISOString(), headers } as const
    await catalog.addKeys({ ...note, recipients: encryption.recipients, ...run })
  } catch (error) {
    if (!(error instanceof HoldfastError) || !['INTEGRITY', 'NOT_FOUND', 'POINT_ARCHIVED'].includes(error.code)) throw error
  }
}
