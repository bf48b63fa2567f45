/** A graph read piece by piece: every node and edge, isolated, unlabelled, looped and parallel ones too, and its definitions. */
import type { Client } from './connect.ts'
import { byName, type Cell, literal, named, plain } from './graph-cypher.ts'
import type { GraphName } from './facts.ts'

export interface GraphNode {
  id: number
  labels: string[]
  /** `` `name`: 'Ann' ``, in order. */
  properties: string
}
export interface GraphEdge {
  type: string
  from: number
  to: number
  properties: string
}
export type Piece = { nodes: GraphNode[] } | { edges: GraphEdge[] }

/** Ids of one question: a range of ids is found by them, everything else would look at the whole graph each time. */
const PAGE = 2_000

export async function countGraph(client: Client, graph: GraphName): Promise<{ nodes: number; edges: number }> {
  const count = async (query: string) => Number((await rowsOf(client, graph, query))[0]?.[0]?.[1])
  return { nodes: await count('MATCH (n) RETURN count(n)'), edges: await count('MATCH ()-[e]->() RETURN count(e)') }
}

export async function* readGraph(client: Client, graph: GraphName, signal?: AbortSignal): AsyncGenerator<Piece> {
  const last = Number((await rowsOf(client, graph, 'MATCH (n) RETURN max(id(n))'))[0]?.[0]?.[1] ?? -1)
  const column = async (query: string) => (await rowsOf(client, graph, query)).map(([cell]) => String(cell?.[1]))
  const labels = await column('CALL db.labels()')
  const types = await column('CALL db.relationshipTypes()')
  const names = await column('CALL db.propertyKeys()')
  const properties = (given: unknown): string =>
    (given as [string, string, unknown][])
      .map(([name, type, value]) => [named(names[Number(name)] ?? ''), literal([type, value])] as const)
      .sort(byName)
      .map(([name, value]) => `${name}: ${value}`)
      .join(', ')
  const pages = async function* (question: (range: string) => string): AsyncGenerator<unknown[][]> {
    for (let from = 0; from <= last; from += PAGE) {
      signal?.throwIfAborted()
      const rows = await rowsOf(client, graph, question(`id(n) >= ${from} AND id(n) < ${from + PAGE}`))
      yield rows.map(([cell]) => cell?.[1] as unknown[])
    }
  }
  for await (const page of pages((range) => `MATCH (n) WHERE ${range} RETURN n`))
    yield {
      nodes: page.map(([id, labelled, given]) => ({
        id: Number(id),
        labels: (labelled as string[]).map((label) => labels[Number(label)] ?? '').sort(),
        properties: properties(given),
      })),
    }
  for await (const page of pages((range) => `MATCH (n) WHERE ${range} MATCH (n)-[e]->() RETURN e`))
    yield {
      edges: page.map(([, type, from, to, given]) => ({
        type: types[Number(type)] ?? '',
        from: Number(from),
        to: Number(to),
        properties: properties(given),
      })),
    }
}

export interface GraphIndex {
  label: string
  property: string
  type: string
  edge: boolean
  language?: string
  stopwords: string[]
  options: Record<string, unknown>
  weight?: string
}
export interface GraphConstraint {
  type: string
  label: string
  properties: string[]
  edge: boolean
}

export async function indexesOf(client: Client, graph: GraphName): Promise<GraphIndex[]> {
  const query =
    'CALL db.indexes() YIELD label, types, options, language, stopwords, entitytype, info RETURN label, types, options, language, stopwords, entitytype, info'
  const rows = (await rowsOf(client, graph, query)).map((row) => row.map(plain))
  return rows.flatMap(([label, types, options, language, stopwords, entity, info]) =>
    Object.entries(types as Record<string, string[]>).flatMap(([property, kinds]) =>
      kinds.map((type) => ({
        label: String(label),
        property,
        type,
        edge: entity !== 'NODE',
        stopwords: ((stopwords ?? []) as string[]).map(String),
        options: ((options as Record<string, unknown>)[property] ?? {}) as Record<string, unknown>,
        ...(type === 'FULLTEXT' && { language: String(language), weight: weightOf(info, property) }),
      })),
    ),
  )
}

function weightOf(info: unknown, property: string): string {
  const fields = ((info as { fields?: { name: string; textWeight: string }[] } | undefined)?.fields ?? []).find(
    ({ name }) => name === property,
  )
  return fields?.textWeight ?? '1'
}

/** Those that hold: one that failed when it was made forbids nothing. */
export async function constraintsOf(client: Client, graph: GraphName): Promise<GraphConstraint[]> {
  const query = 'CALL db.constraints() YIELD type, label, properties, entitytype, status RETURN type, label, properties, entitytype, status'
  const rows = (await rowsOf(client, graph, query)).map((row) => row.map(plain))
  return rows
    .filter(([, , , , status]) => status !== 'FAILED')
    .map(([type, label, properties, entity]) => ({
      type: String(type),
      label: String(label),
      properties: (properties as string[]).map(String),
      edge: entity !== 'NODE',
    }))
}

/** The rows of a query that only reads. */
export async function rowsOf(client: Client, { db, name }: GraphName, query: string): Promise<Cell[][]> {
  await client.select(db)
  try {
    const reply = (await client.call('GRAPH.RO_QUERY', name, query, '--compact')) as [unknown, Cell[][]?]
    return reply[1] ?? []
  } finally {
    await client.select(0)
  }
}
