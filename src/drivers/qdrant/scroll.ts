/** Every point of a collection by scroll, and a digest of them; constant memory, however large points are. */
import { createUnorderedDigest } from '../common/unordered-digest.ts'
import { canonicalJson, type Point, type PointId, pointOf } from './canonical.ts'
import type { Server } from './server.ts'

export interface Scroll {
  collection: string
  batchSize: number
  onPoints?(points: number): void
}

/** What the points of a collection are, whatever their order. */
export interface Content {
  points: number
  /** Ids with payloads; ids with vectors, which another version may round in another way. */
  payloads: string
  vectors: string
}

/** Of one answer. */
const PAGE_BYTES = 8 * 1024 * 1024
const FIRST_PAGE = 16

export async function* scroll(server: Server, { collection, batchSize, onPoints }: Scroll): AsyncGenerator<Point> {
  let limit = Math.min(batchSize, FIRST_PAGE)
  let offset: PointId | undefined
  let seen = 0
  do {
    const page = await pageOf(server, collection, { limit, offset })
    yield* page.points
    seen += page.points.length
    onPoints?.(seen)
    offset = page.next
    limit = Math.max(1, Math.min(batchSize, limit * 8, Math.floor(PAGE_BYTES / usualBytes(page.points))))
  } while (offset !== undefined)
}

/** A point has from a few bytes up to megabytes: some of those that came say how many more may come at once. */
function usualBytes(points: readonly Point[]): number {
  const some = points.filter((_, place) => place % 8 === 0)
  return some.reduce((sum, point) => sum + canonicalJson(point).length, 1) / Math.max(1, some.length)
}

/** Points from this id on, numbers before UUIDs. */
async function pageOf(
  server: Server,
  collection_name: string,
  { limit, offset }: { limit: number; offset: PointId | undefined },
): Promise<{ points: Point[]; next: PointId | undefined }> {
  const found = await server.ask(`the points of ${collection_name}`, (api, init) =>
    api.scrollPoints(
      { collection_name, limit, with_payload: true, with_vector: true, ...(offset !== undefined && { offset: offset as string }) },
      init,
    ),
  )
  return { points: found.points.map(pointOf), next: (found.next_page_offset ?? undefined) as PointId | undefined }
}

export async function pointsById(server: Server, collection_name: string, ids: readonly PointId[]): Promise<Point[]> {
  if (ids.length === 0) return []
  const found = await server.ask(`points of ${collection_name}`, (api, init) =>
    api.getPoints({ collection_name, ids: ids as string[], with_payload: true, with_vector: true }, init),
  )
  return found.map(pointOf)
}

export interface ContentDigest {
  add(point: Point): void
  content(): Content
}

export function createContentDigest(): ContentDigest {
  const payloads = createUnorderedDigest()
  const vectors = createUnorderedDigest()
  let points = 0
  return {
    add({ vector, ...rest }) {
      points += 1
      payloads.add(canonicalJson(rest))
      vectors.add(canonicalJson({ id: rest.id, vector }))
    },
    content: () => ({ points, payloads: payloads.hex(), vectors: vectors.hex() }),
  }
}

export async function contentOf(server: Server, options: Scroll): Promise<Content> {
  const digest = createContentDigest()
  for await (const point of scroll(server, options)) digest.add(point)
  return digest.content()
}
