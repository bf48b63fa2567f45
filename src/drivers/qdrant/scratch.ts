/**
 * Where a restore that is only looked at was made: collections of other names on a server, written down in a folder of the
 * worker before each is begun, so that whoever removes the folder removes them.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { blake3 } from '@napi-rs/blake-hash'
import { removeOwnFolder } from '../common/own-folder.ts'
import { collectionNames, deleteCollection, deleteSnapshot, listSnapshots, OWN } from './collections.ts'
import type { Place, Server } from './server.ts'
import { withServer } from './server.ts'
import { scratchPlace, type Work } from './work.ts'

export interface Scratch {
  url: string
  /** Of the collections, and of the file that an upload leaves. */
  tag: string
  from: 'snapshots' | 'export'
  /** By the names that they have in the point. */
  collections: Record<string, string>
  /** What the server found damaged. */
  damaged: Record<string, string>
}

const PREFIX = `${OWN}scratch_`

/** The same folder has the same tag; no two folders have. */
export const tagOf = (id: string, dir: string): string => `${id}_${blake3(dir).toString('hex').slice(0, 12)}`
export const scratchName = (tag: string, collection: string): string => `${PREFIX}${tag}_${collection}`
export const uploadName = (tag: string): string => `holdfast-${tag}.snapshot`

const noteIn = (dir: string): string => join(dir, 'qdrant.json')

export async function writeScratch(dir: string, scratch: Scratch): Promise<void> {
  await writeFile(noteIn(dir), JSON.stringify(scratch), { mode: 0o600 })
}

/** Undefined where none was begun. */
export async function readScratch(dir: string): Promise<Scratch | undefined> {
  const text = await readFile(noteIn(dir), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  return text === undefined ? undefined : (JSON.parse(text) as Scratch)
}

/** Where it was made, which the configuration may not name any more; with the key that it has now. */
export const placeOf = (work: Work, { url }: Scratch): Place => ({ ...scratchPlace(work), url })

export async function destroy(work: Work, dir: string): Promise<void> {
  const scratch = await readScratch(dir)
  if (scratch)
    await withServer(work, placeOf(work, scratch), undefined, async (server) => {
      for (const name of Object.values(scratch.collections)) await removeOwn(server, name, scratch.from === 'snapshots')
    })
  await removeOwnFolder(dir)
}

/** A collection with the snapshots that were uploaded to it; of the latter also where the collection was never made. */
export async function removeOwn(server: Server, collection_name: string, uploaded: boolean): Promise<void> {
  const there = (await collectionNames(server)).includes(collection_name)
  if (!there && !uploaded) return
  // Only a collection shows the snapshots that lie under its name.
  if (!there)
    await server.ask(`the collection ${collection_name}`, (api, init) => api.createCollection({ collection_name, vectors: {} }, init))
  for (const { name } of await listSnapshots(server, collection_name)) await deleteSnapshot(server, collection_name, name)
  await deleteCollection(server, collection_name)
}
