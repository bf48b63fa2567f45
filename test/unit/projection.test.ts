/** A projection's rebuild, against an admin API that answers as the runbooks say. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { rebuildProjection } from '../../src/applications/projection.ts'
import { projectionSchema } from '../../src/config/schema.ts'

interface Asked {
  method: string
  url: string
  authorization: string | undefined
  body: string
}
let server: Server
let asked: Asked[]
/** What the status says, one after the other; the last stays. */
let states: string[]
let code: number

beforeEach(async () => {
  ;[asked, states, code] = [[], ['completed'], 200]
  server = createServer(async (request, reply) => {
    const { method = '', url = '', headers } = request
    asked.push({ method, url, authorization: headers.authorization, body: (await request.toArray()).join('') })
    reply.statusCode = code
    if (method === 'POST') return void reply.end('{"accepted":true}')
    const status = states.length > 1 ? states.shift() : states[0]
    reply.end(JSON.stringify({ replay: { status, percent: 40 } }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
afterEach(() => void server.close())

const rebuild = (more: { again?: boolean; status?: object | null; parameters?: Record<string, unknown> } = {}) => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/admin/events/replay`
  const status = { url: `${url}/status`, field: 'replay.status', progress: 'replay.percent', ...more.status }
  const body = { from_sequence: 0, projections: ['causal_graph'] }
  const config = projectionSchema.parse({ rebuild: url, body, ...(more.status !== null && { status }) })
  const { again = false, parameters = {} } = more
  const seen: string[] = []
  const onProgress = ({ phase }: { phase: string }) => void seen.push(phase)
  const { signal } = new AbortController()
  return { seen, done: rebuildProjection({ name: 'graph', config, parameters, again, token: 'a-token', signal, onProgress }) }
}
const posts = () => asked.filter(({ method }) => method === 'POST')

it('is asked for once, with its token and its parameters, and watched to its end', async () => {
  states = ['pending', 'running', 'completed']
  const { seen, done } = rebuild({ parameters: { from_sequence: 12 } })
  expect(await done).toMatchObject({ replay: { status: 'completed' } })
  expect(posts()).toEqual([
    {
      method: 'POST',
      url: '/v1/admin/events/replay',
      authorization: 'Bearer a-token',
      body: '{"from_sequence":12,"projections":["causal_graph"]}',
    },
  ])
  expect(seen).toEqual(['pending 40', 'running 40'])
})

it('a second try watches what the first has asked for, and asks anew only where nothing is under way', async () => {
  states = ['running', 'completed']
  await rebuild({ again: true }).done
  expect(posts()).toEqual([])
  states = ['idle', 'completed']
  await rebuild({ again: true }).done
  expect(posts()).toHaveLength(1)
})

it('one that fails is a failure that is not tried again, with what the API said', async () => {
  states = ['failed']
  await expect(rebuild().done).rejects.toMatchObject({
    code: 'CHECK_FAILED',
    retryable: false,
    message: expect.stringContaining('"failed"'),
  })
})

it('without a status, the answer is the end of it', async () => {
  expect(await rebuild({ status: null }).done).toEqual({ accepted: true })
  expect(asked).toHaveLength(1)
})

it('an answer that refuses is told without the token; one of a server in trouble may be tried again', async () => {
  code = 403
  const refused = await rebuild().done.catch((error: unknown) => error)
  expect(refused).toMatchObject({ code: 'CHECK_FAILED', retryable: false })
  expect(JSON.stringify(refused) + String(refused)).not.toContain('a-token')
  code = 503
  await expect(rebuild().done).rejects.toMatchObject({ retryable: true })
})

it('a status without the field says which key of the configuration is wrong', async () => {
  await expect(rebuild({ status: { field: 'state' } }).done).rejects.toMatchObject({ next: expect.stringContaining('status.field') })
})

it('an API that is away is unreachable', async () => {
  await new Promise((resolve) => server.close(resolve))
  const gone = rebuildProjection({
    name: 'graph',
    config: projectionSchema.parse({ rebuild: 'http://127.0.0.1:1/x' }),
    parameters: {},
    again: false,
    signal: new AbortController().signal,
    onProgress: () => {},
  })
  await expect(gone).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE' })
})
