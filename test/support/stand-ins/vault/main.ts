/** The stand-in for an OpenBao or Vault node with raft storage, as a process: node main.ts --dir D --port P [--latency MS]. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { cutAfter, type Fault, order, take } from '../qdrant/faults.ts'
import { Barrier } from './barrier.ts'
import { VaultError } from './errors.ts'
import { allows, capabilitiesOf } from './policies.ts'
import { type Asked, openRoutes, sealStatus, tokenRoutes } from './routes.ts'
import { askSecrets } from './secrets.ts'
import { sendSnapshot, takeSnapshot } from './snapshots.ts'

const { values } = parseArgs({ options: { dir: { type: 'string' }, port: { type: 'string' }, latency: { type: 'string', default: '0' } } })
if (!values.dir || !values.port) throw new Error('node main.ts --dir D --port P')
const address = `127.0.0.1:${values.port}`
const barrier = new Barrier(values.dir)
const open = openRoutes(barrier, address)
const guarded = tokenRoutes(barrier)
const SNAPSHOT = 'sys/storage/raft/snapshot'

const server = createServer((request, response) => {
  answer(request, response).catch((error: unknown) => {
    const [status, errors] = error instanceof VaultError ? [error.status, error.message ? [error.message] : []] : [500, [String(error)]]
    reply(response, status, { errors })
  })
})
server.requestTimeout = 0
server.listen(Number(values.port), '127.0.0.1')
process.once('SIGTERM', () => {
  server.close()
  server.closeAllConnections()
})

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', `http://${address}`)
  const body = Buffer.concat((await request.toArray()) as Buffer[])
  if (url.pathname === '/_stand-in/fault') {
    order(JSON.parse(body.toString('utf8')) as Fault)
    return reply(response, 200, {})
  }
  const method = url.searchParams.get('list') === 'true' ? 'LIST' : (request.method ?? 'GET')
  const fault = take(method, url.pathname)
  await wait(Number(values.latency) + (fault?.delayMs ?? 0))
  if (fault?.status) throw new VaultError(fault.status, fault.error ?? 'internal error')
  if (fault?.cutAfterBytes !== undefined) cutAfter(response, fault.cutAfterBytes)
  const path = decodeURIComponent(url.pathname.replace(/^\/v1\//, ''))
  const token = String(request.headers['x-vault-token'] ?? '')
  const asked: Asked = { method, path, token, json: <T>() => JSON.parse(body.toString('utf8') || '{}') as T }
  if (path === 'sys/health') return reply(response, !barrier.initialized ? 501 : barrier.contents ? 200 : 503, sealStatus(barrier))
  const unguarded = routed(open, asked)
  if (unguarded) return reply(response, 200, unguarded.body)
  requireAllowed(asked)
  if (path === SNAPSHOT && method === 'GET') return sendSnapshot(barrier, address, response)
  if (path === SNAPSHOT || path === `${SNAPSHOT}-force`) {
    if (method !== 'POST' && method !== 'PUT') throw new VaultError(405, 'unsupported operation')
    takeSnapshot(barrier, body, path !== SNAPSHOT)
    return reply(response, 204)
  }
  const found = routed(guarded, asked) ?? { body: askSecrets(barrier, asked) }
  reply(response, found.body ? 200 : 204, found.body)
}

function routed(routes: ReturnType<typeof tokenRoutes>, asked: Asked): { body: object | undefined } | undefined {
  for (const [pattern, handler] of routes) {
    const match = pattern.exec(`${asked.method} ${asked.path}`)
    if (match) return { body: handler(asked, [...match]) }
  }
  return undefined
}

function requireAllowed({ method, path, token }: Asked): void {
  if (method === 'HEAD') throw new VaultError(405, 'unsupported operation')
  const { contents } = barrier
  if (!contents) throw new VaultError(503, 'Vault is sealed')
  const names = contents.tokens[token]
  if (!names || !allows(capabilitiesOf(contents.policies, names, path), method, path)) throw new VaultError(403, 'permission denied')
}

function reply(response: ServerResponse, status: number, body?: object): void {
  response.writeHead(status, body ? { 'content-type': 'application/json' } : {})
  response.end(body && JSON.stringify(body))
}
