/** What a point says of its collections, for a proof to compare. */
import type { Inventory } from '../../core/records.ts'
import { canonicalJson, digestOf } from './canonical.ts'
import type { Alias, CollectionInfo } from './collections.ts'
import type { CollectionNote } from './note.ts'
import type { Content } from './scroll.ts'

type Facts = Inventory[string]

export const entryOf = (collection: string): string => `collection ${collection}`
export const exportEntryOf = (collection: string): string => `export of ${collection}`

/** What its vectors are and how they are spread; and all of its settings, of which another version may know more. */
export function settingsOf({ config, payload_schema }: Pick<CollectionInfo, 'config' | 'payload_schema'>): {
  shape: string
  schema: string
  config: string
} {
  const { vectors, sparse_vectors, shard_number } = config.params
  // How many points an index has is too high after a point was written again.
  const schema = Object.entries(payload_schema).map(([field, index]) => [
    field,
    { data_type: index?.data_type, params: index?.params ?? null },
  ])
  return {
    shape: digestOf({ vectors, sparse_vectors, shard_number }),
    schema: digestOf(Object.fromEntries(schema)),
    config: digestOf(config),
  }
}

/** With digests where both looks saw the same: then the snapshot between them holds nothing else. */
export function factsOf(note: CollectionNote, after: Content | undefined, sampled: number): Facts {
  const { from, to, content, info } = note
  const quiet = content !== undefined && after !== undefined && canonicalJson(content) === canonicalJson(after)
  const points: Facts = quiet
    ? { points: content.points, payloads: content.payloads, vectors: content.vectors }
    : from === to
      ? { points: from }
      : { 'points from': Math.min(from, to), 'points to': Math.max(from, to) }
  return { ...points, ...settingsOf(info), sampled }
}

export const aliasFacts = (aliases: readonly Alias[]): Facts => ({ count: aliases.length, digest: digestOf(aliases) })
