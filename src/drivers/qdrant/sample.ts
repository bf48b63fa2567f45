/** Some points of a collection, the same ones at every look, compared one by one: for what is too large or too busy to be read whole. */
import { blake3 } from '@napi-rs/blake-hash'
import { canonicalJson, digestOf, type Point, type PointId } from './canonical.ts'
import { pointsById } from './scroll.ts'
import type { Server } from './server.ts'

/** Numbers are mostly given from 0 on, without end; UUIDs are spread over all that there are. */
const STARTS: readonly (PointId | undefined)[] = [
  undefined,
  ...Array.from({ length: 32 }, (_, power) => 4n ** BigInt(power)),
  ...Array.from({ length: 16 }, (_, digit) => `${digit.toString(16)}0000000-0000-0000-0000-000000000000`),
]

/** So many of them, taken from all over the collection: those whose ids have the smallest digests. */
export async function takeSample(server: Server, collection: string, wanted: number): Promise<Point[]> {
  if (wanted === 0) return []
  const found = new Map<string, PointId>()
  for (const offset of STARTS) {
    const limit = offset === undefined ? wanted : Math.ceil(wanted / 10)
    for (const id of await idsFrom(server, collection, { limit, offset })) found.set(blake3(String(id)).toString('hex'), id)
  }
  const chosen = [...found].sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, wanted)
  return inTurns(
    server,
    collection,
    chosen.map(([, id]) => id),
  )
}

async function idsFrom(
  server: Server,
  collection_name: string,
  { limit, offset }: { limit: number; offset: PointId | undefined },
): Promise<PointId[]> {
  const { points } = await server.ask(`ids of ${collection_name}`, (api, init) =>
    api.scrollPoints(
      { collection_name, limit, with_payload: false, with_vector: false, ...(offset !== undefined && { offset: offset as string }) },
      init,
    ),
  )
  return points.map(({ id }) => id)
}

/** Those that are the same at a later look, by the digests of an earlier one: no write has touched them meanwhile. */
export async function unchanged(server: Server, collection: string, before: readonly [PointId, string][]): Promise<Point[]> {
  const digests = new Map(before.map(([id, digest]) => [String(id), digest]))
  const after = await inTurns(
    server,
    collection,
    before.map(([id]) => id),
  )
  return after.filter((point) => digests.get(String(point.id)) === digestOf(point))
}

export interface SampleComparison {
  equal: number
  /** What is wrong with the others, the first few. */
  problems: string[]
}

export async function compareSample(server: Server, collection: string, expected: readonly Point[]): Promise<SampleComparison> {
  const found = new Map(
    (
      await inTurns(
        server,
        collection,
        expected.map(({ id }) => id),
      )
    ).map((point) => [String(point.id), point]),
  )
  const problems = expected.flatMap((point) => problemOf(point, found.get(String(point.id))) ?? [])
  return { equal: expected.length - problems.length, problems: problems.slice(0, 5) }
}

async function inTurns(server: Server, collection: string, ids: readonly PointId[]): Promise<Point[]> {
  const found: Point[] = []
  for (let start = 0; start < ids.length; start += 20) found.push(...(await pointsById(server, collection, ids.slice(start, start + 20))))
  return found
}

function problemOf(expected: Point, found: Point | undefined): string | undefined {
  if (!found) return `${expected.id} is missing`
  if (canonicalJson(expected.payload) !== canonicalJson(found.payload)) return `${expected.id} has another payload`
  return isNear(expected.vector, found.vector) ? undefined : `${expected.id} has another vector`
}

/** Of numbers that a server made anew from the same ones: Cosine vectors are stored at length 1. */
const TOLERANCE = 1e-6

export function isNear(a: unknown, b: unknown): boolean {
  if (typeof a === 'number' && typeof b === 'number') return Math.abs(a - b) <= TOLERANCE * Math.max(1, Math.abs(a))
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b
  const [left, right] = [Object.entries(a), new Map(Object.entries(b))]
  return left.length === right.size && left.every(([key, value]) => right.has(key) && isNear(value, right.get(key)))
}
