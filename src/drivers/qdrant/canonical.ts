/**
 * Points as text that is the same for the same points: Qdrant gives the names of vectors in any order. Numbers of 64 bits
 * stay whole, as BigInts of the client, which the package for canonical JSON does not know.
 */
import { blake3 } from '@napi-rs/blake-hash'

// Node knows it; the library's types do not yet.
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown }

export type PointId = number | bigint | string

export interface Point {
  id: PointId
  payload: Record<string, unknown>
  vector: unknown
  /** Of collections whose users name their shards. */
  shard_key?: unknown
}

/** Keys in order, at every depth. */
export const canonicalJson = (value: unknown): string => JSON.stringify(ordered(value))

export const digestOf = (value: unknown): string => blake3(canonicalJson(value)).toString('hex')

/** A point as it is given by the API, in one form for all. */
export function pointOf({
  id,
  payload,
  vector,
  shard_key,
}: {
  id: unknown
  payload?: unknown
  vector?: unknown
  shard_key?: unknown
}): Point {
  return {
    id: id as PointId,
    payload: (payload ?? {}) as Point['payload'],
    vector: withSparseInOrder(vector ?? {}),
    ...(shard_key !== undefined && shard_key !== null && { shard_key }),
  }
}

export function parseJson(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? '')
      ? BigInt(context?.source ?? '')
      : value,
  )
}

function ordered(value: unknown): unknown {
  if (typeof value === 'bigint') return rawJSON(String(value))
  if (typeof value !== 'object' || value === null) return value
  // Vectors are most of what there is.
  if (Array.isArray(value)) return value.every((one) => typeof one === 'number') ? value : value.map(ordered)
  const entries = Object.entries(value).filter(([, one]) => one !== undefined)
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, one]) => [key, ordered(one)]))
}

interface Sparse {
  indices: number[]
  values: number[]
}
const isSparse = (vector: unknown): vector is Sparse =>
  typeof vector === 'object' && vector !== null && 'indices' in vector && Array.isArray(vector.indices)

/** A sparse vector is a set of pairs. */
function withSparseInOrder(vector: unknown): unknown {
  if (typeof vector !== 'object' || vector === null || Array.isArray(vector)) return vector
  const named = Object.entries(vector as Record<string, unknown>).map(([name, one]) => {
    if (!isSparse(one)) return [name, one] as const
    const pairs = one.indices.map((index, place) => [index, one.values[place]] as const).sort(([a], [b]) => a - b)
    return [name, { indices: pairs.map(([index]) => index), values: pairs.map(([, value]) => value) }] as const
  })
  return Object.fromEntries(named)
}
