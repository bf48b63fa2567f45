/** A FalkorDB with graphs of every kind of value, and what is in them. */
import { lookUp } from '../../scripts/toolbox/find.ts'
import { falkorDBModule } from '../../scripts/toolbox/falkordb-install.ts'
import { digestOf } from '../../src/drivers/redis/facts.ts'
import type { RedisSourceConfig } from '../../src/drivers/redis/config.ts'
import { redisConfig, withRedis } from './redis.ts'

export const FALKOR_PROGRAMS = () => ({
  server: lookUp('falkordb-redis-server') ?? '',
  checkRdb: lookUp('falkordb-check-rdb') ?? '',
})

export function falkorConfig(url: string, scratchDir: string, more: Record<string, unknown> = {}): RedisSourceConfig {
  return redisConfig(url, scratchDir, { programs: FALKOR_PROGRAMS(), modules: [falkorDBModule()], ...more })
}

const VALUES = [
  "text: 'it\\'s \\\\ \\n \"quoted\" é'",
  'whole: 9007199254740993, least: -9223372036854775807, broken: 0.25, huge: 1e300, none: -0.0, round: 100000.0, yes: true',
  "list: [1, 'two', [2.5, false]], at: point({latitude: 51.5, longitude: -0.125}), vector: vecf32([0.5, -1.25])",
  "day: date('2024-02-29'), moment: localdatetime('2024-02-29T10:11:12'), hour: localtime('23:59:58'), span: duration('P2Y1M3DT4H')",
].join(', ')

/** People who know each other, isolated and unlabelled nodes, a loop, parallel edges, indexes of all kinds and a constraint. */
export async function fillGraphs(url: string): Promise<void> {
  await withRedis(url, async (client) => {
    const query = (graph: string, cypher: string) => client.call('GRAPH.QUERY', graph, cypher)
    await query('social', "UNWIND range(0, 299) AS i CREATE (:Person {id: i, name: 'person ' + i})")
    await query('social', 'MATCH (a:Person), (b:Person) WHERE b.id = a.id + 1 CREATE (a)-[:KNOWS {since: a.id}]->(b)')
    await query(
      'social',
      `CREATE (:All:\`odd label\` {${VALUES}}), (), (x:Loop)-[:SELF {n: 1}]->(x), (x)-[:SELF {n: 1}]->(x), (x)-[:SELF]->(x), (x)-[:\`odd type\`]->(:End)`,
    )
    await query('social', 'CREATE INDEX FOR (n:Person) ON (n.name)')
    await query('social', 'CREATE INDEX FOR ()-[e:KNOWS]-() ON (e.since)')
    await query('social', "CREATE VECTOR INDEX FOR (n:All) ON (n.vector) OPTIONS {dimension: 2, similarityFunction: 'cosine', M: 8}")
    await query(
      'social',
      "CALL db.idx.fulltext.createNodeIndex({label: 'All', language: 'german', stopwords: ['und', 'oder']}, {field: 'text', weight: 2.0})",
    )
    await query('social', 'CREATE INDEX FOR (n:Person) ON (n.id)')
    await client.call('GRAPH.CONSTRAINT', 'CREATE', 'social', 'UNIQUE', 'NODE', 'Person', 'PROPERTIES', '1', 'id')
    await query('odd name "\'', 'CREATE (:A)-[:B]->(:C)')
    await client.set('beside', 'a key that is no graph')
    await settled(client, 'social')
  })
}

async function settled(client: { call(command: string, ...words: string[]): Promise<unknown> }, graph: string): Promise<void> {
  for (;;) {
    const [, rows] = (await client.call('GRAPH.RO_QUERY', graph, 'CALL db.constraints() YIELD status RETURN status')) as [
      unknown,
      string[][],
    ]
    if (rows.every(([status]) => status === 'OPERATIONAL')) return
  }
}

const QUERIES = [
  'MATCH (n) RETURN labels(n), count(*)',
  'MATCH (n) UNWIND keys(n) AS k WITH n, k ORDER BY k RETURN labels(n), collect([k, n[k]])',
  'MATCH (a)-[e]->(b) RETURN labels(a), a.id, type(e), properties(e), labels(b), b.id',
  'MATCH (n:All) RETURN toString(n.day), toString(n.moment), toString(n.hour), toString(n.span)',
  'CALL db.indexes() YIELD label, types, options, language, stopwords, entitytype, status UNWIND keys(types) AS k RETURN label, k, types[k], options[k], language, stopwords, entitytype, status',
  'CALL db.constraints() YIELD type, label, properties, status RETURN type, label, properties, status',
]

/** Every graph, or one of them, read another way than the driver does; or what such a text says of one. */
export async function graphContents(url: string, only?: string, text?: string): Promise<string> {
  if (only !== undefined && text !== undefined) return (JSON.parse(text) as Record<string, string>)[only] ?? ''
  return withRedis(url, async (client) => {
    const contents = async (graph: string) =>
      digestOf(
        await Promise.all(
          QUERIES.map(
            async (query) =>
              ((await client.call('GRAPH.RO_QUERY', graph, query)) as unknown[][])[1]
                ?.map((row) => JSON.stringify(row))
                .sort()
                .join(' ') ?? '',
          ),
        ),
      )
    if (only !== undefined) return contents(only)
    const names = ((await client.call('GRAPH.LIST')) as string[]).sort()
    return JSON.stringify(Object.fromEntries(await Promise.all(names.map(async (name) => [name, await contents(name)]))))
  })
}
