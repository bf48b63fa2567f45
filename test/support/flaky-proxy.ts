/** A proxy in front of a plain http server that answers, hangs up or goes silent as it is told. */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** `busy`: 503 instead of passing on. `lost reply`: passes on, then hangs up. `cut`: hangs up in the middle of the answer. `silent`: stops there and says nothing more. `no effect`: 204 without passing on. */
export type ProxyFault = 'busy' | 'no effect' | 'lost reply' | 'cut' | 'silent'

export interface FlakyProxy {
  endpoint: string
  /** The next requests that match fail so. */
  failNext(matches: (method: string, url: string) => boolean, fault: ProxyFault, times?: number): void
  readonly requests: string[]
  /** Of these requests. */
  readonly headers: IncomingHttpHeaders[]
  stop(): Promise<void>
}

const SLOW_DOWN = '<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>'

export async function startFlakyProxy(upstream: string): Promise<FlakyProxy> {
  const target = new URL(upstream)
  const faults: { matches: (method: string, url: string) => boolean; fault: ProxyFault }[] = []
  const requests: string[] = []
  const headersOf: IncomingHttpHeaders[] = []

  const take = (method: string, url: string): ProxyFault | undefined => {
    const index = faults.findIndex(({ matches }) => matches(method, url))
    return index < 0 ? undefined : faults.splice(index, 1)[0]?.fault
  }

  const handle = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const { method = '', url = '', headers } = incoming
    requests.push(`${method} ${url}`)
    headersOf.push(headers)
    const fault = take(method, url)
    if (fault === 'busy') {
      incoming.resume().once('end', () => outgoing.writeHead(503, { 'content-type': 'application/xml' }).end(SLOW_DOWN))
      return
    }
    if (fault === 'no effect') {
      incoming.resume().once('end', () => outgoing.writeHead(204).end())
      return
    }
    const onward = request({ host: target.hostname, port: target.port, method, path: url, headers }, (answer) =>
      reply(answer, outgoing, fault),
    )
    onward.once('error', () => outgoing.destroy())
    incoming.pipe(onward)
  }

  const server = createServer(handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    headers: headersOf,
    failNext: (matches, fault, times = 1) => {
      for (let time = 0; time < times; time++) faults.push({ matches, fault })
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function reply(answer: IncomingMessage, outgoing: ServerResponse, fault: ProxyFault | undefined): void {
  if (fault === 'lost reply') {
    answer.resume().once('end', () => outgoing.destroy())
    return
  }
  outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
  if (fault === undefined) {
    answer.pipe(outgoing)
    return
  }
  answer.once('data', (chunk: Buffer) => {
    answer.destroy()
    outgoing.write(chunk.subarray(0, Math.ceil(chunk.length / 2)), () => {
      if (fault === 'cut') outgoing.destroy()
    })
  })
}
