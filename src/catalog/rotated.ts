/** Points whose keys were rotated: the headers that open their artifacts, and for whom a point opens. */
import type { KeyNote, Manifest } from '../core/records.ts'
import type { HeadersOf } from '../pipeline/under-header.ts'
import { mapConcurrently } from './concurrent.ts'
import { dataPrefix, parseKey, rotationsPrefix } from './keys.ts'
import { readManifest } from './manifests.ts'
import { keysBelow, keysOf, readKeys } from './notes.ts'
import type { CatalogContext } from './records.ts'

type Reading = Pick<CatalogContext, 'store' | 'verifier'>
type Headers = ReadonlyMap<string, string>

/** A note is looked for beside the point that the object is of, and read only when it is wanted; each once. */
export function createHeaders(context: Reading): HeadersOf {
  const points = new Map<string, Promise<(() => Promise<Headers>)[]>>()
  return async ({ key }) => {
    const point = parseKey(key)
    if (!point) return []
    const prefix = rotationsPrefix(point.source, point.id)
    const notes = points.get(prefix) ?? notesBelow(context, point, prefix)
    points.set(prefix, notes)
    return (await notes).map((read) => async () => (await read()).get(key))
  }
}

async function notesBelow(context: Reading, { source, id }: { source: string; id: string }, prefix: string) {
  const keys = (await keysBelow(context, prefix)).reverse()
  return keys.map((key) => {
    let found: Promise<Headers> | undefined
    return () => (found ??= readKeys(context, source, id, key).then(headersIn))
  })
}

const headersIn = ({ headers }: KeyNote): Headers => new Map(headers.map(({ key, header }) => [key, header]))

/** Whom the point's own objects open for: those that they were stored for, which stays so, and those of its notes. */
export function openFor({ encryption }: Pick<Manifest, 'encryption'>, notes: readonly Pick<KeyNote, 'recipients'>[]): string[] {
  return [...new Set([...encryption.recipients, ...notes.flatMap(({ recipients }) => recipients)])]
}

/** Who reads all of the point: its own objects, and those that it shares. Nobody is named where nothing is encrypted. */
export async function readersOf(context: Reading, manifest: Manifest): Promise<string[]> {
  const encrypted = manifest.artifacts.filter(({ encryption }) => encryption === 'age')
  const owners = [...new Set(encrypted.flatMap(({ key }) => parseKey(key)?.id ?? []))]
  const each = await mapConcurrently(owners, async (id) => {
    const of = id === manifest.id ? manifest : (await readManifest(context, manifest.source, id)).manifest
    return openFor(of, await keysOf(context, manifest.source, id))
  })
  return each.length === 0 ? [] : each.reduce((some, others) => some.filter((one) => others.includes(one)))
}

/** The artifacts that have keys of their own here; others are objects of the points that this one needs. */
export function ownEncrypted({ source, id, artifacts }: Pick<Manifest, 'source' | 'id' | 'artifacts'>): Manifest['artifacts'] {
  const own = dataPrefix(source, id)
  return artifacts.filter(({ key, encryption }) => encryption === 'age' && key.startsWith(own))
}
