/**
 * What a stream holds, message by message, as one digest that does not depend on the order of reading: the sum of a BLAKE3
 * of each. Read through the API of messages, which needs no consumer and so changes nothing on the stream.
 */
import { blake3 } from '@napi-rs/blake-hash'
import type { StreamState } from './answers.ts'
import { createUnorderedDigest } from '../common/unordered-digest.ts'
import { API, isApiError, type JetStream } from './jetstream.ts'
import { createRanges, type Range } from './ranges.ts'

export interface Content {
  messages: number
  digest: string
  /** The sequences that were read, where they were asked for. */
  ranges: Range[]
}

export interface ContentOptions {
  stream: string
  first: number
  last: number
  /** Of a message, on average: how many are read at once depends on it. */
  averageBytes: number
  /** Only messages that this says of their sequence. */
  only?: (seq: number) => boolean
  signal: AbortSignal
  onMessages(count: number): void
}

interface Stored {
  subject: string
  seq: number
  time: string
  hdrs?: string
  data?: string
}

const READERS = 16
const IN_FLIGHT_BYTES = 4 * 1024 * 1024
const SLICES = 256

export const averageOf = ({ bytes, messages }: Pick<StreamState, 'bytes' | 'messages'>): number =>
  Math.ceil(bytes / Math.max(1, messages)) || 1

export async function contentOf(js: JetStream, options: ContentOptions): Promise<Content> {
  const { first, last } = options
  const ranges = createRanges()
  const sum = createUnorderedDigest()
  let messages = 0
  const take = (message: Stored) => {
    if (options.only?.(message.seq) === false) return
    const headers = Buffer.from(message.hdrs ?? '', 'base64')
    // It goes by itself at a time of its own, perhaps before it is compared.
    if (/^nats-ttl:/im.test(headers.toString('latin1'))) return
    sum.addDigest(digestOfMessage(message, headers))
    messages += 1
    ranges.add(message.seq)
    if (messages % 1000 === 0) options.onMessages(messages)
  }
  const size = Math.max(1, Math.ceil((last - first + 1) / SLICES))
  let next = first
  const read = async () => {
    while (next <= last) {
      const from = next
      next += size
      await readSlice(js, options, { from, to: Math.min(from + size - 1, last) }, take)
    }
  }
  const readers = Math.max(1, Math.min(READERS, Math.floor(IN_FLIGHT_BYTES / options.averageBytes)))
  await Promise.all(Array.from({ length: readers }, read))
  return { messages, digest: sum.hex(), ranges: ranges.all() }
}

/** Gaps cost nothing: each question is for the next message from a sequence on. */
async function readSlice(
  js: JetStream,
  { stream, signal }: ContentOptions,
  slice: { from: number; to: number },
  take: (message: Stored) => void,
) {
  for (let seq = slice.from; seq <= slice.to; ) {
    signal.throwIfAborted()
    const message = await nextMessage(js, stream, seq)
    if (!message || message.seq > slice.to) return
    take(message)
    seq = message.seq + 1
  }
}

async function nextMessage(js: JetStream, stream: string, seq: number): Promise<Stored | undefined> {
  const asked = js.ask<{ message: Stored }>(`STREAM.MSG.GET.${stream}`, { seq, next_by_subj: '>' })
  return asked.then(
    ({ message }) => message,
    (error: unknown) => {
      if (isApiError(error, API.noMessage)) return undefined
      throw error
    },
  )
}

function digestOfMessage({ seq, time, subject, data }: Stored, headers: Buffer): string {
  const head = Buffer.from(`${seq} ${time} ${subject} ${headers.length}\n`)
  return blake3(Buffer.concat([head, headers, Buffer.from(data ?? '', 'base64')])).toString('hex')
}
