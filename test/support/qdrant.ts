/** Qdrant servers, filled, and what is asked of them in tests. They are stand-ins, but where QDRANT_URL names a real one. */
import { QdrantClient } from '@qdrant/js-client-rest'
import { type QdrantSourceConfig, qdrantSource } from '../../src/drivers/qdrant/config.ts'
import { createDriver } from '../../src/drivers/qdrant/index.ts'
import { canonicalJson, pointOf } from '../../src/drivers/qdrant/canonical.ts'
import type { SourceDriver } from '../../src/drivers/driver.ts'

export const clientOf = (url: string, apiKey?: string): QdrantClient =>
  new QdrantClient({ url, checkCompatibility: false, ...(apiKey && { headers: { 'api-key': apiKey } }) })

export function qdrantConfig(at: string | string[], scratchDir: string, more: Record<string, unknown> = {}): QdrantSourceConfig {
  const place = typeof at === 'string' ? { url: at } : { nodes: at }
  return qdrantSource.parse({ driver: 'qdrant', repository: 'hot', scratchDir, ...place, ...more })
}

export const qdrantDriver = (config: QdrantSourceConfig): Promise<SourceDriver> =>
  createDriver(config, { source: 'vectors', secret: async (reference) => reference })

export const uuid = (n: number): string => `6f1e7d5c-0000-4000-8000-${String(n).padStart(12, '0')}`

/** A collection with every kind of vector, ids of both kinds and of 64 bits, and two payload indexes. */
export async function fillRich(client: QdrantClient, name: string, points = 60): Promise<void> {
  await client.createCollection(name, {
    vectors: {
      text: { size: 8, distance: 'Cosine' },
      parts: { size: 2, distance: 'Dot', multivector_config: { comparator: 'max_sim' } },
    },
    sparse_vectors: { words: {} },
    hnsw_config: { m: 24 },
  })
  await client.createPayloadIndex(name, { field_name: 'city', field_schema: 'keyword', wait: true })
  await client.createPayloadIndex(name, { field_name: 'about', field_schema: { type: 'text', lowercase: true }, wait: true })
  const all = Array.from({ length: points }, (_, n) => ({
    id: n % 10 === 9 ? uuid(n) : n,
    vector: {
      text: Array.from({ length: 8 }, (_, place) => Math.sin(n * 8 + place + 1)),
      parts: [
        [1, n],
        [n / 3, 4],
      ],
      words: { indices: [n + 7, 3], values: [0.5, n + 0.25] },
    },
    payload: { city: n % 2 ? 'Bern' : 'Rom', n, about: `The point ${n}`, nested: { list: [1, { a: n }], none: null } },
  }))
  await client.upsert(name, { points: all, wait: true })
  const big = { id: (2n ** 63n + 5n) as unknown as number, vector: {}, payload: { big: (2n ** 60n + 1n) as unknown as number } }
  await client.upsert(name, { points: [big], wait: true })
}

/** One with a single vector of each point. */
export async function fillPlain(client: QdrantClient, name: string, points = 20): Promise<void> {
  await client.createCollection(name, { vectors: { size: 4, distance: 'Euclid' } })
  const all = Array.from({ length: points }, (_, n) => ({ id: n, vector: [n, 1, 2, n / 7], payload: { n } }))
  await client.upsert(name, { points: all, wait: true })
}

/** Every collection with its settings, points and aliases; not what Holdfast makes for itself. */
export async function contentsOf(client: QdrantClient, wanted?: readonly string[]): Promise<string> {
  const names =
    wanted ?? (await client.getCollections()).collections.map(({ name }) => name).filter((name) => !name.startsWith('holdfast_'))
  const lines: string[] = []
  for (const name of [...names].sort()) {
    const { config, payload_schema } = await client.getCollection(name)
    lines.push(`${name} ${canonicalJson(config)} ${Object.keys(payload_schema).sort().join()}`)
    const { points } = await client.scroll(name, { limit: 10_000, with_payload: true, with_vector: true })
    lines.push(...points.map((point) => canonicalJson(pointOf(point))))
  }
  const { aliases } = await client.getAliases()
  return [...lines, ...aliases.map(({ alias_name, collection_name }) => `${alias_name} -> ${collection_name}`).sort()].join('\n')
}

/** What Holdfast makes for itself on a server: collections, and snapshots of whichever collection. */
export async function leftOn(client: QdrantClient): Promise<string[]> {
  const names = (await client.getCollections()).collections.map(({ name }) => name)
  const snapshots = await Promise.all(names.map(async (name) => (await client.listSnapshots(name)).map((one) => `${name}/${one.name}`)))
  return [...names.filter((name) => name.startsWith('holdfast_')), ...snapshots.flat()]
}
