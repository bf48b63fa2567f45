/** Points: upsert, delete, scroll, count, retrieve. */
import { type Collection, type Point, type PointId, compareIds } from './collection.ts'
import { updated } from './collections.ts'
import { badFormat, notFound } from './errors.ts'
import { type Filter, matches } from './filter.ts'
import type { Routes } from './routing.ts'
import type { Storage } from './storage.ts'
import { type Vectors, printedVectors, storedVectors } from './vectors.ts'

type Payload = Record<string, unknown>
interface Given {
  id: PointId
  vector?: Vectors
  payload?: Payload | null
}
interface Upsert {
  points?: Given[]
  batch?: { ids: PointId[]; vectors: Vectors[] | Record<string, Vectors[]>; payloads?: (Payload | null)[] }
}
interface Selection {
  with_payload?: boolean | string[] | { include?: string[]; exclude?: string[] } | null
  with_vector?: boolean | string[] | null
}

export function pointRoutes(storage: Storage): Routes {
  const of = (params: Record<string, string>) => storage.collection(params['collection'] ?? '')
  return {
    'PUT /collections/{collection}/points': async ({ params, body, query }) => {
      const collection = of(params)
      const given = await body<Upsert>()
      const points = (given.points ?? unbatched(given.batch)).map((point) => stored(point, collection))
      return updated(collection.write({ upsert: points }), query)
    },
    'POST /collections/{collection}/points/delete': async ({ params, body, query }) => {
      const collection = of(params)
      const { points, filter } = await body<{ points?: PointId[]; filter?: Filter }>()
      const ids = points ?? collection.inOrder.filter((point) => matches(point, filter)).map(({ id }) => id)
      return updated(collection.write({ delete: ids.map(checkedId) }), query)
    },
    'POST /collections/{collection}/points/scroll': async ({ params, body }) => {
      const { offset, limit, filter, ...selection } = await body<Selection & { offset?: PointId; limit?: number; filter?: Filter }>()
      const from = offset === undefined || offset === null ? undefined : checkedId(offset)
      const fitting = of(params).inOrder.filter(
        (point) => (from === undefined || compareIds(point.id, from) >= 0) && matches(point, filter),
      )
      const page = fitting.slice(0, limit ?? 10)
      return {
        points: page.map((point) => printed(point, { ...selection, with_payload: selection.with_payload ?? true })),
        next_page_offset: fitting[page.length]?.id ?? null,
      }
    },
    'POST /collections/{collection}/points/count': async ({ params, body }) => {
      const { filter } = await body<{ filter?: Filter; exact?: boolean }>()
      return { count: of(params).inOrder.filter((point) => matches(point, filter)).length }
    },
    'POST /collections/{collection}/points': async ({ params, body }) => {
      const { ids, ...selection } = await body<Selection & { ids: PointId[] }>()
      const found = ids.flatMap((id) => of(params).find(checkedId(id)) ?? [])
      return found.map((point) => printed(point, { ...selection, with_payload: selection.with_payload ?? true }))
    },
    'GET /collections/{collection}/points/{id}': ({ params }) => {
      const id = params['id'] ?? ''
      const found = of(params).find(checkedId(/^\d+$/.test(id) ? Number(id) : id))
      if (!found) throw notFound(`Point with id ${id} does not exists!`)
      return printed(found, { with_payload: true, with_vector: true })
    },
  }
}

function unbatched(batch: Upsert['batch']): Given[] {
  if (!batch) throw badFormat('data did not match any variant of untagged enum PointInsertOperations')
  const { ids, vectors, payloads } = batch
  const vectorAt = (place: number): Vectors | undefined =>
    Array.isArray(vectors)
      ? vectors[place]
      : (Object.fromEntries(Object.entries(vectors).map(([name, list]) => [name, list[place]])) as Vectors)
  return ids.map((id, place) => ({ id, vector: vectorAt(place) as Vectors, payload: payloads?.[place] ?? null }))
}

function stored({ id, vector, payload }: Given, { state }: Collection): Point {
  return { id: checkedId(id), vector: storedVectors(vector, state.config.params), payload: payload ?? {} }
}

/** A UUID is written in many ways and is one id. */
function checkedId(id: PointId): PointId {
  if (typeof id === 'bigint' || (Number.isInteger(id) && (id as number) >= 0)) return id
  const hex = typeof id === 'string' ? id.toLowerCase().replace(/^urn:uuid:|-/g, '') : ''
  if (!/^[0-9a-f]{32}$/.test(hex))
    throw badFormat(`value ${String(id)} is not a valid point ID, valid values are either an unsigned integer or a UUID`)
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

function printed({ id, payload, vector }: Point, selection: Selection) {
  const { with_payload: wanted, with_vector: vectors } = selection
  return {
    id,
    ...(wanted ? { payload: selected(payload, wanted) } : {}),
    ...(vectors ? { vector: printedVectors(vector, vectors === true ? undefined : vectors) } : {}),
  }
}

function selected(payload: Payload, wanted: NonNullable<Selection['with_payload']>): Payload {
  const { include, exclude } = Array.isArray(wanted)
    ? { include: wanted, exclude: undefined }
    : wanted === true
      ? {}
      : (wanted as { include?: string[]; exclude?: string[] })
  return Object.fromEntries(Object.entries(payload).filter(([key]) => (!include || include.includes(key)) && !exclude?.includes(key)))
}
