/** A node's HTTP API: for clients, for operators, for other nodes. */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import { addrOf } from './config.ts'
import { Refused } from './errors.ts'
import type { Fault } from './faults.ts'
import { metricsOf } from './metrics.ts'
import type { Node } from './node.ts'
import type { Append, Vote } from './rpc.ts'

interface Call {
  query: URLSearchParams
  text: string
}
type Route = (call: Call) => unknown

function routesOf(node: Node): Record<string, Route> {
  const json = <T>({ text }: Call) => JSON.parse(text || '{}') as T
  return {
    'GET /metrics': () => metricsOf(node),
    'GET /kv': ({ query }) => {
      const value = node.folder.store.rows.get(query.get('key') ?? '')
      if (value === undefined) throw new Refused(404, `no key ${query.get('key')}`)
      return { value }
    },
    'POST /kv': async (call) => {
      const { key, value } = json<{ key: unknown; value: unknown }>(call)
      const { index, term, time } = await node.put(key, value)
      return { index, term, time }
    },
    'POST /admin/snapshot': () => ({ status: 'started', ...node.beginSnapshot() }),
    'POST /admin/pause-writes': () => node.pause(true),
    'POST /admin/resume-writes': () => node.pause(false),
    'POST /admin/init-cluster': () => node.initialize(),
    'GET /admin/cluster': () => node.info(),
    'GET /admin/stats': () => node.stats(),
    'GET /admin/verify-checksums': () => node.check(),
    'GET /admin/query': ({ query }) => node.query(query.get('sql') ?? ''),
    'GET /raft/status': () => node.raft.status,
    'POST /raft/vote': (call) => node.raft.onVote(json<Vote>(call)),
    'POST /raft/append': (call) => node.raft.onAppend(json<Append>(call)),
    'POST /raft/install': ({ text }) => {
      const end = text.indexOf('\n')
      return node.raft.onInstall(JSON.parse(text.slice(0, end)) as Append, text.slice(end + 1))
    },
    'POST /_stand-in/fault': (call) => {
      node.faults.current = json<Fault>(call)
      return {}
    },
  }
}

export function createNodeServer(node: Node): Server {
  const routes = routesOf(node)
  const answer = async (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const { pathname, searchParams } = new URL(incoming.url ?? '/', 'http://node')
    try {
      const route = routes[`${incoming.method} ${pathname}`]
      if (!route) throw new Refused(404, `no such endpoint: ${incoming.method} ${pathname}`)
      const result = await route({ query: searchParams, text: await textOf(incoming) })
      const text = typeof result === 'string' ? result : `${JSON.stringify(result)}\n`
      outgoing.writeHead(pathname === '/admin/snapshot' ? 202 : 200, {
        'content-type': typeof result === 'string' ? 'text/plain; version=0.0.4' : 'application/json',
      })
      outgoing.end(text)
    } catch (error) {
      refuse(outgoing, error as Error, (id) => {
        const addr = addrOf(node.folder.config.cluster.members, id)
        return addr === undefined ? undefined : `http://${addr}${incoming.url}`
      })
    }
  }
  return createServer((incoming, outgoing) => void answer(incoming, outgoing))
}

/** A follower sends to the leader, and says in words who that is. */
function refuse(outgoing: ServerResponse, error: Error, locationOf: (leader: number) => string | undefined): void {
  const { status, leader } = error instanceof Refused ? error : { status: 500, leader: undefined }
  const location = leader === undefined ? undefined : locationOf(leader)
  outgoing.writeHead(status, { 'content-type': 'application/json', ...(location ? { location } : {}) })
  outgoing.end(`${JSON.stringify({ error: error.message, ...(leader === undefined ? {} : { leader, location }) })}\n`)
}

async function textOf(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}
