/** What a program prints, kept within bounds and always read to its end: a full pipe would stop the program. */
import type { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'

export interface Output {
  text(): string
  truncated(): boolean
}

/** Keeps the beginning; what is cut is marked. */
export function keepHead(stream: Readable, maxBytes: number): Output {
  const chunks: Buffer[] = []
  let seen = 0
  stream.on('data', (chunk: Buffer) => {
    if (seen < maxBytes) chunks.push(chunk.subarray(0, maxBytes - seen))
    seen += chunk.length
  })
  const truncated = () => seen > maxBytes
  const text = () => Buffer.concat(chunks).toString('utf8') + (truncated() ? `\n[truncated: ${seen - maxBytes} more bytes]` : '')
  return { text, truncated }
}

/** Keeps the end, where programs say why they failed; what is cut is marked. */
export function keepTail(stream: Readable, maxBytes: number): Output {
  let kept: Buffer[] = []
  let size = 0
  let seen = 0
  stream.on('data', (chunk: Buffer) => {
    kept.push(chunk)
    size += chunk.length
    seen += chunk.length
    if (size > 2 * maxBytes) {
      kept = [Buffer.concat(kept).subarray(-maxBytes)]
      size = maxBytes
    }
  })
  const truncated = () => seen > maxBytes
  const text = () =>
    (truncated() ? `[truncated: ${seen - maxBytes} bytes before]\n` : '') + Buffer.concat(kept).subarray(-maxBytes).toString('utf8')
  return { text, truncated }
}

const DRAIN_MS = 2_000

/**
 * Resolves once the streams of a program that has ended are read to their end. A server that it left running may hold
 * them open for ever: then what has come within two seconds is all.
 */
export async function drained(...streams: (Readable | null)[]): Promise<void> {
  const open = streams.filter((stream) => stream !== null)
  const patience = new AbortController()
  const ended = Promise.allSettled(open.map((stream) => finished(stream, { writable: false })))
  await Promise.race([ended, delay(DRAIN_MS, undefined, { signal: patience.signal }).catch(() => {})])
  patience.abort()
  for (const stream of open) stream.destroy()
}
