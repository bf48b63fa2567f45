/** A restore in the place of what a live server holds: all of it, or single graphs and users. */
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import type { LiveRestore, RestoreChoice } from '../driver.ts'
import { fingerprintOf, requireServer } from './confirm.ts'
import { placeOf, withServer } from './connect.ts'
import { livePartsOf } from './live-parts.ts'
import { liveWholeOf } from './live-whole.ts'
import { graphsWanted } from './parts.ts'
import { besideDir, type Work } from './work.ts'

export function createLive(work: Work): LiveRestore {
  const way = (choice: RestoreChoice) => (choice.parts ? livePartsOf(work, choice) : liveWholeOf(work, choice))
  return {
    fingerprint: async () => {
      const server = await work.server()
      return withServer(server, (client) => fingerprintOf(client, placeOf(server)))
    },
    async check(manifest, confirm, choice = {}) {
      requireKnown(manifest, choice)
      const server = await work.server()
      await withServer(server, async (client) => {
        await requireServer(client, placeOf(server), { manifest, confirm })
        await way(choice).check(client, manifest)
      })
    },
    restoreAside: (context, manifest, source, place) =>
      way(place?.choice ?? {}).restoreAside(context, manifest, source, place?.dir ?? besideDir(work, manifest.id)),
    swap: (manifest, confirm, oid, filling) =>
      way(filling?.choice ?? {}).swap(
        filling?.context ?? { signal: new AbortController().signal, onProgress: () => {} },
        { manifest, confirm },
        { oid, dir: filling?.dir ?? besideDir(work, manifest.id) },
        filling?.source,
      ),
    removeAside: (manifest, place) => way(place?.choice ?? {}).removeAside(manifest, place?.dir ?? besideDir(work, manifest.id)),
  }
}

function requireKnown(manifest: Manifest, choice: RestoreChoice): void {
  if (choice.mode === 'upsert')
    throw new HoldfastError('INPUT_INVALID', 'a graph or a server is replaced as a whole', {
      object: 'mode',
      next: 'give mode empty or replace',
    })
  if (choice.parts || choice.into !== undefined) graphsWanted(manifest, choice)
}
