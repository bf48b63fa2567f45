/**
 * STUB of what Route 53 does and the stand-in moto never shows: a change that is PENDING, and access denied. Everything
 * but GetChange goes through to moto; GetChange answers PENDING as often as it is told, then INSYNC, each after a while.
 * With PENDING_TIMES `denied` nothing is allowed. A process of its own: node route53-pending.ts PORT MOTO_ENDPOINT
 * PENDING_TIMES LATENCY_MS
 */
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

const [port, moto = '', pendingTimes, latencyMs] = process.argv.slice(2)
const asked = new Map<string, number>()

createServer((incoming, reply) => {
  const id = /^\/2013-04-01\/change\/([^/?]+)/.exec(incoming.url ?? '')?.[1]
  if (incoming.url === '/asked') reply.end(JSON.stringify(Object.fromEntries(asked)))
  else if (pendingTimes === 'denied') deny(reply)
  else if (id) void answerChange(id, reply)
  else passOn(incoming, reply)
}).listen(Number(port), '127.0.0.1')

async function answerChange(id: string, reply: ServerResponse): Promise<void> {
  const times = (asked.get(id) ?? 0) + 1
  asked.set(id, times)
  await delay(Number(latencyMs))
  const status = times > Number(pendingTimes) ? 'INSYNC' : 'PENDING'
  reply.writeHead(200, { 'content-type': 'text/xml' }).end(`<?xml version="1.0" encoding="UTF-8"?>
<GetChangeResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><ChangeInfo>
<Id>/change/${id}</Id><Status>${status}</Status><SubmittedAt>2025-01-01T00:00:00.000Z</SubmittedAt>
</ChangeInfo></GetChangeResponse>`)
}

function deny(reply: ServerResponse): void {
  reply.writeHead(403, { 'content-type': 'text/xml' }).end(`<?xml version="1.0"?>
<ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type><Code>AccessDenied</Code>
<Message>User: arn:aws:iam::1:user/worker is not authorized to perform: route53:ChangeResourceRecordSets</Message></Error>
<RequestId>1</RequestId></ErrorResponse>`)
}

function passOn(incoming: IncomingMessage, reply: ServerResponse): void {
  const onward = request(new URL(incoming.url ?? '/', moto), { method: incoming.method, headers: incoming.headers }, (answer) => {
    reply.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(reply)
  })
  onward.on('error', () => reply.writeHead(502).end())
  incoming.pipe(onward)
}
