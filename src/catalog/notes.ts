/** What is said about a recovery point after it was published: proofs, holds and the headers of rotated keys. Appended, never changed. */
import type { z } from 'zod'
import { HoldfastError } from '../core/errors.ts'
import { type Hold, holdSchema, type KeyNote, keyNoteSchema, type Proof, proofSchema } from '../core/records.ts'
import { readAll } from '../storage/store.ts'
import { mapConcurrently } from './concurrent.ts'
import { holdsPrefix, manifestKey, proofsPrefix, rotationsPrefix, timedKey } from './keys.ts'
import { type CatalogContext, misplaced, readRecord, seal } from './records.ts'

interface Note {
  source: string
  id: string
}
type Reading = Pick<CatalogContext, 'store' | 'verifier'>

/** Returns the key. The same proof again finds itself. */
export function appendProof(context: CatalogContext, proof: Proof): Promise<string> {
  return append(context, proofSchema, proof, proofsPrefix(proof.source, proof.id), proof.completedAt)
}

/** `held: false` releases the holds before it. */
export function addHold(context: CatalogContext, hold: Hold): Promise<string> {
  return append(context, holdSchema, hold, holdsPrefix(hold.source, hold.id), hold.at)
}

/** From now on the point opens for the recipients of the note as well. */
export function addKeys(context: CatalogContext, note: KeyNote): Promise<string> {
  return append(context, keyNoteSchema, note, rotationsPrefix(note.source, note.id), note.at)
}

/** Oldest first. Throws for one that was altered, signed by a stranger or moved here from another point. */
export async function proofsOf(context: Reading, source: string, id: string): Promise<Proof[]> {
  return mapConcurrently(await keysBelow(context, proofsPrefix(source, id)), (key) => readProof(context, source, id, key))
}

export async function holdsOf(context: Reading, source: string, id: string): Promise<Hold[]> {
  return mapConcurrently(await keysBelow(context, holdsPrefix(source, id)), (key) => readHold(context, source, id, key))
}

export async function keysOf(context: Reading, source: string, id: string): Promise<KeyNote[]> {
  return mapConcurrently(await keysBelow(context, rotationsPrefix(source, id)), (key) => readKeys(context, source, id, key))
}

export async function readProof(context: Reading, source: string, id: string, key: string): Promise<Proof> {
  const proof = await readNote(context, proofSchema, key, { source, id })
  return atItsTime(key, proofsPrefix(source, id), proof.completedAt, proof)
}

export async function readHold(context: Reading, source: string, id: string, key: string): Promise<Hold> {
  const hold = await readNote(context, holdSchema, key, { source, id })
  return atItsTime(key, holdsPrefix(source, id), hold.at, hold)
}

export async function readKeys(context: Reading, source: string, id: string, key: string): Promise<KeyNote> {
  const note = await readNote(context, keyNoteSchema, key, { source, id })
  return atItsTime(key, rotationsPrefix(source, id), note.at, note)
}

async function readNote<T extends Note>(context: Reading, schema: z.ZodType<T>, key: string, { source, id }: Note): Promise<T> {
  const { record } = await readRecord(context, schema, key)
  if (record.source !== source || record.id !== id) throw misplaced(key, `it is about ${record.source} ${record.id}`)
  return record
}

/** An old release under a new name would lift a newer hold. */
function atItsTime<T>(key: string, prefix: string, at: string, note: T): T {
  const stem = timedKey(prefix, at).replace(/\.json$/, '')
  if (key === `${stem}.json` || key.startsWith(`${stem}-`)) return note
  throw misplaced(key, `it is of ${at}`)
}

async function append<T extends object & Note>(
  context: CatalogContext,
  schema: z.ZodType<T>,
  note: T,
  prefix: string,
  at: string,
): Promise<string> {
  const { store } = context
  if (!(await store.head(manifestKey(note.source, note.id)))) {
    throw new HoldfastError('NOT_FOUND', `${note.source} has no recovery point ${note.id} to say something about`, {
      object: note.id,
      next: `holdfast list ${note.source}`,
    })
  }
  const { bytes } = seal(context, schema, note)
  for (let attempt = 1; ; attempt++) {
    const key = timedKey(prefix, at, attempt)
    if ((await store.put(key, bytes, { ifAbsent: true })) === 'created' || (await readAll(store, key)).equals(bytes)) return key
  }
}

export async function keysBelow(context: Reading, prefix: string): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of context.store.list(prefix)) keys.push(key)
  return keys
}
