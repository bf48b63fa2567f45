/** Stores a stream of unknown length: digested on its way, in parts of our own making, visible only after its last byte. */
import type { Readable } from 'node:stream'
import { crc32 } from 'node:zlib'
import { Blake3Hasher } from '@napi-rs/blake-hash'
import { HoldfastError } from '../core/errors.ts'
import type { Store, Upload } from '../storage/store.ts'
import type { Bandwidth } from './bandwidth.ts'
import { partBytes, partsInFlight } from './parts.ts'

export interface UploadOptions {
  signal?: AbortSignal
  bandwidth?: Bandwidth | undefined
  /** Called after each part that the store has. */
  onStored?(stored: { bytes: number; parts: number }): void
  /** Bytes of the first part; 8 MiB unless a test wants many parts of little. */
  firstPartBytes?: number
}

export interface Stored {
  size: number
  blake3: string
  crc32: string
  storeCrc32: string | undefined
}

/**
 * Reads the stream to its end and stores it at the key. An error of the stream, of the store or an abort leaves no
 * object and no upload, and destroys the stream. STORE_CONFLICT where an object stands at the key.
 */
export async function uploadStream(store: Store, key: string, stream: Readable, options: UploadOptions = {}): Promise<Stored> {
  const sender = createSender(store, key, options)
  const hasher = new Blake3Hasher()
  let running = 0
  let size = 0
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      options.signal?.throwIfAborted()
      hasher.update(chunk)
      running = crc32(chunk, running)
      size += chunk.length
      await sender.write(chunk)
    }
    const whole = { size, crc32: base64Of(running) }
    const storeCrc32 = await sender.finish(whole)
    return { ...whole, blake3: hasher.digest('hex'), storeCrc32 }
  } catch (error) {
    stream.destroy()
    await sender.abort()
    throw options.signal?.aborted && !(error instanceof HoldfastError)
      ? new HoldfastError('CANCELLED', `the upload of ${key} was cancelled`, { object: key, cause: error })
      : error
  }
}

interface Sender {
  write(chunk: Buffer): Promise<void>
  finish(whole: { size: number; crc32: string }): Promise<string | undefined>
  abort(): Promise<void>
}

function createSender(store: Store, key: string, options: UploadOptions): Sender {
  const failed = new AbortController()
  const signal = options.signal ? AbortSignal.any([options.signal, failed.signal]) : failed.signal
  const inFlight = new Set<Promise<void>>()
  const spare: Buffer[] = []
  const stored = { bytes: 0, parts: 0 }
  let upload: Upload | undefined
  let failure: unknown
  let number = 1
  let filled = 0
  let buffer: Buffer | undefined

  const sizeOf = (part: number) => partBytes(part, store.minPartBytes, options.firstPartBytes)

  // Outside of Node's own pool, and used again: the garbage collector would let them pile up.
  const bufferFor = (part: number): Buffer => {
    const bytes = sizeOf(part)
    if (spare[0] && spare[0].length !== bytes) spare.length = 0
    return spare.pop() ?? Buffer.allocUnsafeSlow(bytes)
  }

  const send = async (part: number, whole: Buffer, bytes: number): Promise<void> => {
    try {
      await options.bandwidth?.take(bytes, signal)
      await upload?.part(part, whole.subarray(0, bytes), signal)
      if (whole.length === sizeOf(number)) spare.push(whole)
      stored.bytes += bytes
      stored.parts += 1
      options.onStored?.({ ...stored })
    } catch (error) {
      failure ??= error
      failed.abort(error)
    }
  }

  const flush = async (): Promise<void> => {
    if (!buffer) return
    upload ??= await store.startUpload(key)
    while (inFlight.size >= partsInFlight(buffer.length)) await Promise.race(inFlight)
    if (failure) throw failure
    const sending: Promise<void> = send(number, buffer, filled).finally(() => inFlight.delete(sending))
    inFlight.add(sending)
    number += 1
    buffer = undefined
    filled = 0
  }

  return {
    async write(chunk) {
      for (let at = 0; at < chunk.length; ) {
        // Only now is it known that more follows: a stream that fits in one part is stored by one request.
        if (buffer && filled === buffer.length) await flush()
        buffer ??= bufferFor(number)
        const taken = Math.min(chunk.length - at, buffer.length - filled)
        chunk.copy(buffer, filled, at, at + taken)
        filled += taken
        at += taken
      }
      if (failure) throw failure
    },

    async finish(whole) {
      if (!upload) return putWhole(store, key, buffer?.subarray(0, filled) ?? Buffer.alloc(0), options)
      await flush()
      await Promise.all(inFlight)
      if (failure) throw failure
      signal.throwIfAborted()
      return (await upload.complete(whole)).crc32
    },

    async abort() {
      failed.abort()
      await Promise.all(inFlight)
      await upload?.abort()
    },
  }
}

async function putWhole(store: Store, key: string, body: Buffer, options: UploadOptions): Promise<string | undefined> {
  await options.bandwidth?.take(body.length, options.signal)
  options.signal?.throwIfAborted()
  if ((await store.put(key, body, { ifAbsent: true })) === 'exists') {
    throw new HoldfastError('STORE_CONFLICT', `an object with other content stands at ${key}`, { object: key })
  }
  options.onStored?.({ bytes: body.length, parts: 1 })
  return (await store.head(key))?.crc32
}

function base64Of(crc: number): string {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(crc >>> 0)
  return bytes.toString('base64')
}
