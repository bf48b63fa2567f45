/**
 * A graph as commands that make it again, one on a line, for any version and for plain `redis-cli < file`; and a digest
 * of what it holds that does not depend on the numbers that nodes have.
 */
import { blake3 } from '@napi-rs/blake-hash'
import type { Client } from './connect.ts'
import { named, quoted } from './graph-cypher.ts'
import { constraintsOf, type GraphConstraint, type GraphEdge, type GraphIndex, type GraphNode, indexesOf, readGraph } from './graph-read.ts'
import { digestOf, type GraphName } from './facts.ts'

/** While a graph is made, each node has its old number under this label: edges find their ends by it. */
export const HELPER = { label: '_Holdfast', key: '_holdfast' }

const HELPER_NODE = `(n:${named(HELPER.label)})`

/** Entities of one command, and about as many characters: one of millions would stop the server for long. */
const BATCH = { entities: 1_000, characters: 100_000 }

/** The time that it takes to remove a label grows with the square of how many nodes lose it at once. */
const CLEARED = 250

export async function* exportGraph(client: Client, graph: GraphName, signal?: AbortSignal): AsyncGenerator<string> {
  const query = (cypher: string) => commandLine(['GRAPH.QUERY', graph.name, cypher])
  yield query(`CREATE INDEX FOR ${HELPER_NODE} ON (n.${named(HELPER.key)})`)
  let nodes = 0
  for await (const piece of readGraph(client, graph, signal)) {
    if ('nodes' in piece) {
      nodes += piece.nodes.length
      for (const cypher of grouped(piece.nodes, ({ labels }) => labels.map(named).join(':'), createNodes)) yield query(cypher)
    } else for (const cypher of grouped(piece.edges, ({ type }) => named(type), createEdges)) yield query(cypher)
  }
  yield query(`DROP INDEX FOR ${HELPER_NODE} ON (n.${named(HELPER.key)})`)
  for (let cleared = 0; cleared < nodes; cleared += CLEARED)
    yield query(`MATCH ${HELPER_NODE} WITH n LIMIT ${CLEARED} SET n.${named(HELPER.key)} = NULL REMOVE n:${named(HELPER.label)}`)
  for (const index of await indexesOf(client, graph)) yield query(indexQuery(index))
  for (const constraint of await constraintsOf(client, graph)) yield commandLine(constraintCommand(graph.name, constraint))
}

function* grouped<T extends GraphNode | GraphEdge>(
  entities: T[],
  groupOf: (one: T) => string,
  create: (group: string, rows: string[]) => string,
): Generator<string> {
  const groups = new Map<string, string[]>()
  for (const entity of entities) {
    const group = groupOf(entity)
    const rows = groups.get(group) ?? []
    groups.set(group, rows)
    rows.push(rowOf(entity))
  }
  for (const [group, rows] of groups) {
    while (rows.length > 0) yield create(group, nextBatch(rows))
  }
}

function nextBatch(rows: string[]): string[] {
  let characters = 0
  let count = 0
  while (count < rows.length && count < BATCH.entities && (count === 0 || characters < BATCH.characters)) {
    characters += rows[count]?.length ?? 0
    count += 1
  }
  return rows.splice(0, count)
}

const rowOf = (entity: GraphNode | GraphEdge): string =>
  'id' in entity ? `[${entity.id}, {${entity.properties}}]` : `[${entity.from}, ${entity.to}, {${entity.properties}}]`

const createNodes = (labels: string, rows: string[]): string =>
  `UNWIND [${rows.join(', ')}] AS r CREATE (n:${named(HELPER.label)}${labels && `:${labels}`}) SET n = r[1], n.${named(HELPER.key)} = r[0]`

const end = (variable: string, index: number): string => `(${variable}:${named(HELPER.label)} {${named(HELPER.key)}: r[${index}]})`

const createEdges = (type: string, rows: string[]): string =>
  `UNWIND [${rows.join(', ')}] AS r MATCH ${end('a', 0)}, ${end('b', 1)} CREATE (a)-[e:${type}]->(b) SET e = r[2]`

function indexQuery({ label, property, type, edge, language, stopwords, options, weight }: GraphIndex): string {
  const pattern = edge ? `()-[x:${named(label)}]->()` : `(x:${named(label)})`
  const on = `FOR ${pattern} ON (x.${named(property)})`
  if (type === 'VECTOR') {
    const entries = Object.entries(options).map(
      ([name, value]) => `${name}: ${/^[\d.]+$/.test(String(value)) ? value : quoted(String(value))}`,
    )
    return `CREATE VECTOR INDEX ${on} OPTIONS {${entries.join(', ')}}`
  }
  if (type !== 'FULLTEXT') return `CREATE INDEX ${on}`
  if (edge) return `CREATE FULLTEXT INDEX ${on}`
  const of = [`label: ${quoted(label)}`, `language: ${quoted(language ?? 'english')}`]
  if (stopwords.length > 0) of.push(`stopwords: [${stopwords.map(quoted).join(', ')}]`)
  return `CALL db.idx.fulltext.createNodeIndex({${of.join(', ')}}, {field: ${quoted(property)}, weight: ${Number(weight).toFixed(6)}})`
}

const constraintCommand = (graph: string, { type, label, properties, edge }: GraphConstraint): string[] => [
  'GRAPH.CONSTRAINT',
  'CREATE',
  graph,
  type,
  edge ? 'RELATIONSHIP' : 'NODE',
  label,
  'PROPERTIES',
  String(properties.length),
  ...properties,
]

/** Equal for graphs that hold the same, in whatever order and under whatever numbers. */
export async function graphDigest(client: Client, graph: GraphName, signal?: AbortSignal): Promise<string> {
  const nodes = new Map<number, string>()
  let sum = 0n
  const add = (text: string): Buffer => {
    const digest = blake3(text)
    sum += BigInt(`0x${digest.toString('hex')}`)
    return digest
  }
  for await (const piece of readGraph(client, graph, signal)) {
    if ('nodes' in piece)
      for (const { id, labels, properties } of piece.nodes)
        nodes.set(id, add(`(${labels.map(named).join(':')} {${properties}})`).toString('latin1', 0, 8))
    else for (const { type, from, to, properties } of piece.edges) add(`${nodes.get(from)}[${named(type)} {${properties}}]${nodes.get(to)}`)
  }
  const constraints = (await constraintsOf(client, graph)).map((constraint) => constraintCommand('', constraint).join(' '))
  const definitions = [...(await indexesOf(client, graph)).map(indexQuery), ...constraints].sort()
  return digestOf([BigInt.asUintN(256, sum).toString(16), ...definitions])
}

/** A line as `redis-cli` reads it: bare words, and others in quotes. */
export const commandLine = (words: readonly string[]): string => `${words.map(lineWord).join(' ')}\n`

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
const CONTROL = /[\u0000-\u001f\u007f]/g

function lineWord(word: string): string {
  if (/^[\w.-]+$/.test(word)) return word
  return `"${word.replace(/[\\"]/g, '\\$&').replace(CONTROL, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`)}"`
}

/** The words of such a line. */
export function wordsOf(line: string): string[] {
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, inner, bare]) =>
    bare !== undefined
      ? bare
      : (inner ?? '').replace(/\\x([0-9a-f]{2})|\\(.)/g, (_, hex: string | undefined, character: string) =>
          hex === undefined ? character : String.fromCharCode(Number.parseInt(hex, 16)),
        ),
  )
}
