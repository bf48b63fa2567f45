/**
 * Snapshots to and from a server, as streams. A download tells no length, so that only size and SHA-256 show that it is whole;
 * an upload is a form by hand, because FormData reads its file into memory.
 */
import { createHash } from 'node:crypto'
import { type IncomingMessage, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { HoldfastError } from '../../core/errors.ts'
import type { SnapshotDescription } from './collections.ts'
import { explained, refusal, saidBy } from './errors.ts'
import type { Server } from './server.ts'

export type Expected = Pick<SnapshotDescription, 'name' | 'size' | 'checksum'>

/** The snapshot's bytes. The stream fails at its end where they are not those that Qdrant has made. */
export async function download(server: Server, collection: string, expected: Expected): Promise<Readable> {
  const what = `the snapshot ${expected.name} of ${collection}`
  const asked = { url: server.url, what, signal: server.signal }
  const url = `${server.url}/collections/${encodeURIComponent(collection)}/snapshots/${encodeURIComponent(expected.name)}`
  const init = { headers: server.headers, dispatcher: server.dispatcher, ...(server.signal && { signal: server.signal }) } as RequestInit
  const reply = await fetch(url, init).catch((error: unknown) => {
    throw explained(error, asked)
  })
  if (!reply.ok || !reply.body) throw refusal(server.url, what, reply.status, saidBy(await reply.text()))
  const body = reply.body as AsyncIterable<Uint8Array>
  return Readable.from(compared(body, expected, asked), { objectMode: false })
}

async function* compared(
  body: AsyncIterable<Uint8Array>,
  expected: Expected,
  asked: Parameters<typeof explained>[1],
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  let size = 0
  try {
    for await (const chunk of body) {
      hash.update(chunk)
      size += chunk.length
      yield chunk
    }
  } catch (error) {
    throw explained(error, asked)
  }
  const checksum = hash.digest('hex')
  if (size === expected.size && checksum === (expected.checksum ?? checksum)) return
  throw new HoldfastError(
    'INTEGRITY',
    `${asked.what} came as ${size} bytes with SHA-256 ${checksum}; Qdrant made ${expected.size} bytes with ${expected.checksum ?? 'no checksum'}`,
    { object: asked.url, retryable: true, next: 'look at the network and the disk of the server where it happens again' },
  )
}

export interface Upload {
  collection: string
  /** The name that the file has among the collection's snapshots, until somebody removes it. */
  file: string
  bytes: number
  sha256: string | undefined
  stream: Readable
  /** Asked when all but the end is sent: where it throws, the server has an upload that was cut off, and does nothing. */
  last?: () => Promise<void>
}

/** Puts the snapshot in the place of what the collection is, or makes it. Throws INTEGRITY where the server finds it damaged. */
export async function upload(server: Server, { collection, file, bytes, sha256, stream, last }: Upload): Promise<void> {
  const what = `the upload of a snapshot into ${collection}`
  const boundary = `holdfast-${crypto.randomUUID()}`
  const head = `--${boundary}\r\ncontent-disposition: form-data; name="snapshot"; filename="${file}"\r\ncontent-type: application/octet-stream\r\n\r\n`
  const tail = `\r\n--${boundary}--\r\n`
  const url = new URL(`${server.url}/collections/${encodeURIComponent(collection)}/snapshots/upload?priority=snapshot&wait=true`)
  if (sha256) url.searchParams.set('checksum', sha256)
  const sending = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
    method: 'POST',
    headers: {
      ...server.headers,
      'content-type': `multipart/form-data; boundary=${boundary}`,
      'content-length': Buffer.byteLength(head) + bytes + Buffer.byteLength(tail),
    },
    ...(server.ca && { ca: server.ca }),
    ...(server.signal && { signal: server.signal }),
  })
  // Without a byte in either direction: while the server recovers the collection, it says nothing.
  sending.setTimeout(server.timeouts.snapshot, () =>
    sending.destroy(
      new HoldfastError('SOURCE_UNREACHABLE', `${server.url} was silent for ${server.timeouts.snapshot / 1000} s: ${what}`, {
        object: server.url,
        next: 'where the server only needs longer, raise timeouts.snapshot of the source',
      }),
    ),
  )
  let broken: unknown
  async function* form(): AsyncGenerator<string | Buffer> {
    yield head
    try {
      yield* stream as AsyncIterable<Buffer>
      await last?.()
    } catch (error) {
      broken = error
      throw error
    }
    yield tail
  }
  const [sent, replied] = await Promise.allSettled([pipeline(Readable.from(form(), { objectMode: false }), sending), replyOf(sending)])
  // A server that refuses at once closes the connection under what is still being sent: its answer says more.
  if (broken !== undefined) throw broken
  if (replied.status === 'fulfilled') return requireRecovered(server, what, replied.value)
  throw explained(sent.status === 'rejected' && sent.reason instanceof HoldfastError ? sent.reason : replied.reason, {
    url: server.url,
    what,
    signal: server.signal,
  })
}

interface Reply {
  status: number
  text: string
}

function replyOf(sending: ReturnType<typeof httpRequest>): Promise<Reply> {
  return new Promise((resolve, reject) => {
    sending.once('error', reject)
    const closed = () => reject(new Error('the connection was closed without an answer'))
    sending.once('close', closed)
    sending.once('response', (reply: IncomingMessage) => {
      sending.off('close', closed)
      reply
        .toArray()
        .then((chunks) => resolve({ status: reply.statusCode ?? 0, text: Buffer.concat(chunks as Buffer[]).toString('utf8') }), reject)
    })
  })
}

/** What Qdrant says of bytes that are not a whole snapshot. */
const DAMAGED = /failed to unpack|checksum mismatch|unexpected e(nd|of)|corrupt|invalid (gzip|tar|archive)/i

function requireRecovered(server: Server, what: string, { status, text }: Reply): void {
  if (status === 200) return
  const said = saidBy(text)
  if (!DAMAGED.test(said)) throw refusal(server.url, what, status, said)
  throw new HoldfastError('INTEGRITY', `${server.url} finds the snapshot damaged: ${said}`, { object: what, details: { status } })
}
