/** A FalkorDB with a graph of people and what they know, read over the network. */
import { falkorDBModule } from '../toolbox/falkordb-install.ts'
import { startFalkorDB } from '../toolbox/falkordb.ts'
import { findProgram } from '../toolbox/find.ts'
import type { RedisServer } from '../toolbox/redis.ts'
import { withRedis } from './redis.ts'
import type { OpenSample } from './sample.ts'

const GRAPH = 'mind_causal'

const query = (server: RedisServer, cypher: string): Promise<unknown[][]> =>
  withRedis(server, async (client) => ((await client.call('GRAPH.QUERY', GRAPH, cypher)) as unknown[][][])[1] ?? [])

async function fill(server: RedisServer): Promise<void> {
  await query(server, "UNWIND range(0, 1999) AS i CREATE (:Event {id: i, what: 'event ' + i, weight: i / 8.0})")
  await query(server, 'CREATE INDEX FOR (n:Event) ON (n.id)')
  await query(server, 'UNWIND range(0, 1998) AS i MATCH (a:Event {id: i}), (b:Event {id: i + 1}) CREATE (a)-[:CAUSES {since: i}]->(b)')
  await query(server, 'CREATE (:Alone), ()')
}

const ASKED = [
  'MATCH (n) RETURN labels(n), n.id, n.what, n.weight',
  'MATCH (a)-[e]->(b) RETURN a.id, type(e), e.since, b.id',
  'CALL db.indexes() YIELD label, properties RETURN label, properties',
]

/** Nothing where the graph is gone. */
async function contents(server: RedisServer): Promise<string> {
  const graphs = await withRedis(server, (client) => client.call('GRAPH.LIST'))
  if (!(graphs as string[]).includes(GRAPH)) return ''
  const answers = await Promise.all(ASKED.map((cypher) => query(server, cypher)))
  return answers.flatMap((rows) => rows.map((row) => JSON.stringify(row)).sort()).join('\n')
}

export const openFalkorDB: OpenSample = async (dir) => {
  const server = await startFalkorDB({ dir, args: ['--repl-diskless-sync-delay', '0'] })
  await fill(server)
  return {
    driver: 'redis',
    config: {
      url: server.url,
      programs: {
        server: findProgram('falkordb-redis-server'),
        cli: findProgram('redis-cli'),
        checkRdb: findProgram('falkordb-check-rdb'),
      },
      modules: [falkorDBModule()],
      verify: { assertions: [{ graph: GRAPH, cypher: 'MATCH (n:Event) RETURN count(n) = 2000' }] },
    },
    env: {},
    contents: () => contents(server),
    async change() {
      await query(server, "MATCH (n:Event {id: 7}) SET n.what = 'something else' CREATE (:Event {id: 2000})")
    },
    async destroy() {
      await withRedis(server, (client) => client.call('GRAPH.DELETE', GRAPH))
    },
    leftovers: async () => {
      const graphs = (await withRedis(server, (client) => client.call('GRAPH.LIST'))) as string[]
      return graphs.filter((name) => name.includes('holdfast'))
    },
    close: () => server.stop(),
  }
}
