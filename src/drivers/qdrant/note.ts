/**
 * What a capture has made on the server, written down on the server: a collection of its own, without vectors. Snapshots get
 * their names from Qdrant, so that nothing else could tell those of a try that was killed from those of other people.
 */
import { parsePointId } from '../../core/ids.ts'
import type { PointId } from './canonical.ts'
import { absent, type Alias, type CollectionInfo, collectionNames, deleteCollection, OWN, type SnapshotDescription } from './collections.ts'
import { isStatus } from './errors.ts'
import type { Content } from './scroll.ts'
import type { Server } from './server.ts'

/** A snapshot that was asked for; what stands here before the request is sent is what a killed try leaves. */
export interface SnapshotNote {
  kind: 'snapshot'
  collection: string
  /** URL of the server that has it. */
  node: string
  peer: string
  shards: string
  sentAt: string
  /** Names that were there before. */
  seen: string[]
  made?: Pick<SnapshotDescription, 'name' | 'size' | 'checksum'>
  /** The server refused to make it. */
  refused?: true
}

/** What a collection was right before its snapshots, and how many points it had right after. */
export interface CollectionNote {
  kind: 'collection'
  collection: string
  info: Pick<CollectionInfo, 'config' | 'payload_schema'>
  from: number
  to: number
  content?: Content
  /** Ids of the sample, each with a digest of its point. */
  sample: [PointId, string][]
}

export interface AliasesNote {
  kind: 'aliases'
  aliases: Alias[]
}

/** What the point has to say. */
export interface WarningNote {
  kind: 'warning'
  text: string
}

export const vanished = (collection: string): string => `${collection} was removed while it was backed up, and is not in this point`

export type Note = { attempt: number } & (SnapshotNote | CollectionNote | AliasesNote | WarningNote)
/** With the number that it has among the notes, to be written again. */
export type Written<T = Note> = T & { key: string }

const PREFIX = `${OWN}capture_`

export const noteName = (source: string, id: string): string => `${PREFIX}${source}_${id}`

/** Ids of points of this source of which there are notes. */
export async function notedIds(server: Server, source: string): Promise<string[]> {
  const prefix = noteName(source, '')
  const names = await collectionNames(server)
  return names.filter((name) => name.startsWith(prefix) && parsePointId(name.slice(prefix.length))).map((name) => name.slice(prefix.length))
}

export async function openNotes(server: Server, collection_name: string): Promise<void> {
  await server
    .ask(`the notes ${collection_name}`, (api, init) => api.createCollection({ collection_name, vectors: {} }, init))
    .catch((error: unknown) => {
      if (!isStatus(error, 409)) throw error
    })
}

/** Written for good once it returns. Throws NOT_FOUND where the notes have been removed meanwhile. */
export async function write(server: Server, collection_name: string, note: Note, key: string = crypto.randomUUID()): Promise<Written> {
  const point = { id: key, vector: {}, payload: { ...note } }
  await server.ask(
    `the notes ${collection_name}`,
    (api, init) => api.upsertPoints({ collection_name, wait: true, points: [point] }, init),
    {
      always: true,
    },
  )
  return { ...note, key }
}

/** Undefined where there are none. */
export async function readNotes(server: Server, collection_name: string): Promise<Written[] | undefined> {
  const notes: Written[] = []
  let offset: string | undefined
  do {
    const found = await absent(
      server.ask(`the notes ${collection_name}`, (api, init) =>
        api.scrollPoints({ collection_name, limit: 50, with_payload: true, ...(offset !== undefined && { offset }) }, init),
      ),
    )
    if (!found) return undefined
    notes.push(...found.points.map(({ id, payload }) => ({ ...(payload as unknown as Note), key: String(id) })))
    offset = (found.next_page_offset ?? undefined) as string | undefined
  } while (offset !== undefined)
  return notes
}

export const removeNotes = (server: Server, collection_name: string): Promise<void> => deleteCollection(server, collection_name)
