/**
 * What is said about a point, on its way to a copy of it. Whatever is true of the bytes wherever they are goes along: holds,
 * headers of rotated keys, and proofs that restored it. One that only looked at the objects speaks of one repository.
 */
import { z } from 'zod'
import { isUnsound } from '../core/errors.ts'
import { PROOF_DEPTHS } from '../core/records.ts'
import { readAll, type Store } from '../storage/store.ts'
import { mapConcurrently } from './concurrent.ts'
import { manifestKey, parseKey, pointPrefix, sourcePrefix, timedKey } from './keys.ts'
import { readManifest } from './manifests.ts'
import { type CatalogContext, isGone, misplaced, openRecord } from './records.ts'

type Reading = Pick<CatalogContext, 'store' | 'verifier'>

const NOTE = /\/(proofs|holds|keys)\/[^/]+\.json$/
const RESTORED: readonly string[] = ['restore', 'full']

const noteSchema = z.looseObject({
  source: z.string(),
  id: z.string(),
  at: z.string().optional(),
  completedAt: z.string().optional(),
  depth: z.enum(PROOF_DEPTHS).optional(),
  manifestDigest: z.string().optional(),
})

export interface CopyState {
  id: string
  /** Notes that stand beside the point and not beside its copy. */
  notes: string[]
  /** A proof was made where the copy is. */
  looked: boolean
}

/** The points of the source that are in both, by their listings. */
export async function compareCopies(from: Store, to: Store, source: string): Promise<CopyState[]> {
  const [here, there] = [await notesBelow(from, sourcePrefix(source)), await notesBelow(to, sourcePrefix(source))]
  return [...here].flatMap(([id, notes]) => {
    const copied = there.get(id)
    if (!notes.has(manifestKey(source, id)) || !copied?.has(manifestKey(source, id))) return []
    const looked = [...copied.keys()].some((key) => parseKey(key)?.kind === 'proof' && !notes.has(key))
    return [{ id, notes: missingIn(copied, notes), looked }]
  })
}

/** Brings what was said since to the copies that are there. Resolves to what could not be trusted, and was left. */
export async function bringAllNotes(from: Reading, to: Store, source: string): Promise<string[]> {
  const problems: string[] = []
  for (const { id, notes } of await compareCopies(from.store, to, source)) {
    if (notes.length === 0) continue
    const bringAll = async () => bring(from, to, { source, id, digest: (await readManifest(from, source, id)).digest }, notes)
    problems.push(...(await untrusted(bringAll)))
  }
  return problems
}

interface Point {
  source: string
  id: string
  /** Of its manifest. */
  digest: string
}

/** The same for one point, whose copy need not be published yet. */
export async function bringNotesOf(from: Reading, to: Store, point: Point): Promise<string[]> {
  const { source, id } = point
  const [here, there] = [await notesBelow(from.store, pointPrefix(source, id)), await notesBelow(to, pointPrefix(source, id))]
  return bring(from, to, point, missingIn(there.get(id) ?? new Map(), here.get(id) ?? new Map()))
}

async function bring(from: Reading, to: Store, point: Point, notes: readonly string[]): Promise<string[]> {
  const problems = await mapConcurrently(notes, (key) =>
    untrusted(async () => {
      const bytes = await readAll(from.store, key)
      const at = timeOf(from, point, key, bytes)
      if (at !== undefined) await put(to, key.slice(0, key.lastIndexOf('/') + 1), at, bytes)
      return []
    }),
  )
  return problems.flat()
}

/** What of the work could not be trusted. What was deleted since the listing is nobody's problem. */
export async function untrusted(work: () => Promise<string[]>): Promise<string[]> {
  try {
    return await work()
  } catch (error) {
    if (isGone(error)) return []
    if (!isUnsound(error)) throw error
    return [error.message]
  }
}

/** The moment of a note that goes along; undefined for one that stays. Throws for one that a listing would not trust either. */
function timeOf({ verifier }: Reading, { source, id, digest }: Point, key: string, bytes: Buffer): string | undefined {
  const { record } = openRecord(verifier, noteSchema, key, bytes)
  if (record.source !== source || record.id !== id) throw misplaced(key, `it is about ${record.source} ${record.id}`)
  if (record.manifestDigest !== undefined && record.manifestDigest !== digest) throw misplaced(key, 'it proves another manifest')
  const at = record.completedAt ?? record.at ?? ''
  const stem = Number.isNaN(Date.parse(at)) ? undefined : timedKey('', at).replace(/\.json$/, '')
  const name = key.slice(key.lastIndexOf('/') + 1)
  if (stem === undefined || !(name === `${stem}.json` || name.startsWith(`${stem}-`))) throw misplaced(key, `it is of ${at}`)
  return record.depth === undefined || RESTORED.includes(record.depth) ? at : undefined
}

/** Under the first name of its time that is free there; the same bytes find themselves. */
async function put(to: Store, prefix: string, at: string, bytes: Buffer): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const key = timedKey(prefix, at, attempt)
    if ((await to.put(key, bytes, { ifAbsent: true })) === 'created' || (await readAll(to, key)).equals(bytes)) return
  }
}

type Sizes = Map<string, number>

/** Manifest and notes of each point with their sizes, by id. */
async function notesBelow(store: Store, prefix: string): Promise<Map<string, Sizes>> {
  const found = new Map<string, Sizes>()
  for await (const { key, size } of store.list(prefix)) {
    const place = parseKey(key)
    if (!place || !(place.kind === 'manifest' || NOTE.test(key))) continue
    found.set(place.id, (found.get(place.id) ?? new Map<string, number>()).set(key, size))
  }
  return found
}

const missingIn = (there: Sizes, here: Sizes): string[] =>
  [...here].flatMap(([key, size]) => (NOTE.test(key) && there.get(key) !== size ? [key] : []))
