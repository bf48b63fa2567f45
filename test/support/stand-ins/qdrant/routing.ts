/** The HTTP side: which handler a request is for, Qdrant's envelope around what it gives, its API key. */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { QdrantError, badFormat } from './errors.ts'
import { type Fault, cutAfter, order, take } from './faults.ts'
import { parseJson, printJson } from './json.ts'

export interface Request {
  /** What stands in the place of `{name}` in the route's path. */
  params: Record<string, string>
  query: URLSearchParams
  incoming: IncomingMessage
  outgoing: ServerResponse
  body<T>(): Promise<T>
  fault: Fault | undefined
}
/** Gives the `result`; Accepted where the work goes on in the background; Streamed where it wrote the reply itself. */
type Handler = (request: Request) => unknown
export const ACCEPTED = Symbol('accepted')
export const STREAMED = Symbol('streamed')
export class Text {
  readonly text: string
  readonly type: string
  constructor(text: string, type = 'text/plain') {
    this.text = text
    this.type = type
  }
}
/** By method and path: `GET /collections/{collection}`. */
export type Routes = Record<string, Handler>

const OPEN = ['/', '/healthz', '/livez', '/readyz']
const FAULTS = '/_stand-in/fault'

export function createQdrantServer(routes: Routes, options: { apiKey?: string | undefined; latencyMs: number }): Server {
  const table = Object.entries(routes).map(([route, handler]) => ({ ...patternOf(route), handler }))

  const answer = async (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const startedAt = performance.now()
    const send = (status: number, body: object) =>
      sendText(outgoing, status, new Text(printJson({ ...body, time: (performance.now() - startedAt) / 1000 }), 'application/json'))
    const { pathname, searchParams } = new URL(incoming.url ?? '/', 'http://stand-in')
    const method = incoming.method ?? 'GET'
    try {
      if (pathname === FAULTS) return send(200, { result: order((await bodyOf(incoming)) as Fault) ?? true, status: 'ok' })
      const fault = take(method, pathname)
      // Nobody waits for a slow reply once the server is told to stop.
      await pause(options.latencyMs + (fault?.delayMs ?? 0), undefined, { ref: false })
      if (fault?.cutAfterBytes !== undefined) cutAfter(outgoing, fault.cutAfterBytes)
      if (fault?.status) throw new QdrantError(fault.status, fault.error ?? 'Service internal error: ordered by a test')
      const refused = OPEN.includes(pathname) ? undefined : refusal(incoming, options.apiKey)
      if (refused) return sendText(outgoing, 401, new Text(refused))
      const found = table.find((entry) => entry.method === method && entry.pattern.test(pathname))
      if (!found) return sendText(outgoing, 404, new Text(''))
      const result = await found.handler({
        params: decoded(found.pattern.exec(pathname)?.groups),
        query: searchParams,
        incoming,
        outgoing,
        body: <T>() => bodyOf(incoming) as Promise<T>,
        fault,
      })
      if (result instanceof Text) return sendText(outgoing, 200, result)
      if (result === ACCEPTED) return send(202, { status: 'accepted' })
      if (result !== STREAMED) send(200, { result, status: 'ok' })
    } catch (error) {
      if (outgoing.headersSent) outgoing.destroy()
      else if (error instanceof QdrantError) send(error.status, { status: { error: error.message } })
      else send(500, { status: { error: `Service internal error: ${String((error as Error).stack)}` } })
    } finally {
      // A reply that comes before the request's end would meet a closed connection otherwise.
      incoming.resume()
    }
  }
  return createServer((incoming, outgoing) => void answer(incoming, outgoing))
}

function patternOf(route: string): { method: string; pattern: RegExp } {
  const [method = '', path = ''] = route.split(' ')
  return { method, pattern: new RegExp(`^${path.replace(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`) }
}

function decoded(groups: Record<string, string> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(groups).map(([name, value]) => [name, decodeURIComponent(value)]))
}

function refusal({ headers }: IncomingMessage, apiKey: string | undefined): string | undefined {
  if (!apiKey) return undefined
  const given = headers['api-key'] ?? headers.authorization?.replace(/^Bearer /, '')
  if (given === undefined) return 'Must provide an API key or an Authorization bearer token'
  return given === apiKey ? undefined : 'Invalid API key or JWT'
}

async function bodyOf(incoming: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  try {
    return parseJson(Buffer.concat(chunks).toString('utf8'))
  } catch (error) {
    throw badFormat((error as Error).message)
  }
}

function sendText(outgoing: ServerResponse, status: number, { text, type }: Text): void {
  outgoing.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) })
  outgoing.end(text)
}
